// Package integration tests the whole system from outside: the program as a user
// runs it, in several processes, on real servers, while they are killed and while
// they are gone.
package integration
