// Package stack builds the parts that a configuration names, out of the
// packages that each know one of them: publishers, document stores, pillows with
// their processors, the clients of the brokers. It is the only place that knows
// how they are put together, and holds what they share: one connection pool a
// database, one way to find the brokers.
package stack
