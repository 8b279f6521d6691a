// Package bench measures the publisher against what the machine can do at all, in
// the same run: it starts a private PostgreSQL and the embedded broker, makes a
// backlog of each workload, and lets four workers have it in turn.
//
// # Workers
//
// Each worker is a process of its own, this program started again, so that its
// processor time and its memory are its own. It reads a [job] from its standard
// input, does it, and writes an [outcome] to its standard output. The end of the
// input asks it to end, so no worker outlives the benchmark.
//
//	read      receives the backlog through pgconn and discards it
//	gather    the same with a low-water mark on the socket (TCP only)
//	produce   sends as many stubs, made before, with the Kafka client
//	publish   the publisher, put together as the publish command does it
//	relay     the least that can be called a publisher: a loop that receives a row
//	          and produces a stub, for latency
//	broker    the embedded broker
//
// Every worker of a backlog reads it through its own copy of one slot, and
// nothing is confirmed on that, so all read the same log from the same place.
// Every worker that produces has a new broker with empty topics. Workers take
// turns, round after round, and medians are reported: what else the machine does
// then meets all of them.
//
// # Figures
//
// Rows are those that were inserted; a workload of satellites has fewer documents
// than rows. A time is that from the connection to the last row received, or to
// the last record acknowledged. Afterwards the records on the topic are counted.
// The floor of reading is the faster of read and gather.
//
// Processor time, allocations and memory are those of a worker's whole life until
// its last record was acknowledged. Memory is the highest resident set.
//
// # Latency
//
// Writers make commits of one row, at a steady rate and durably as PostgreSQL has
// it by default. A latency is the time from the moment at which the writer has its
// COMMIT answered to that at which the worker has the record acknowledged. It can
// be less than nothing: the server sends a commit before it answers it. The first
// tenth of the time is not counted.
package bench
