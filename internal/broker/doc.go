// Package broker runs the embedded broker: one Kafka broker in this process,
// with its data in a directory. It serves development, demos, tests and small
// sites that can do without replication.
//
// # What it is not
//
// It is one process and one copy. Nothing is replicated: when its disk is lost,
// the topics are. One goroutine does all the work of the broker. It knows no
// authentication and no encryption, so it listens on the loopback interface
// unless told otherwise, and trusts whoever reaches it: a malformed request can
// end the process. A site that needs more sets kafka.brokers to a Kafka or
// Redpanda.
//
// # Directory
//
// Everything is in one directory, made with mode 0700, which may hold other
// things too:
//
//	broker.lock     locked for as long as a broker runs here; a second one is refused
//	broker.json     where it listens, its process id, and its state
//	broker/         topics, records, group offsets, producers, in kfake's format
//
// [Find] tells other processes where the broker of a directory listens. The lock
// says whether it runs, not the process id, which may have been reused.
//
// The port is kept from one run to the next, so that clients find the broker
// again. The first one is taken from below the range from which systems serve
// outgoing connections: a client that keeps dialling a port of that range while
// nobody listens on it can be connected with itself, and then holds the port.
//
// # States
//
//	          lock          open           ctx ends
//	(stopped) ────▶ starting ────▶ running ────────▶ stopped
//	    ▲                │            │
//	    └────────────────┴────────────┘ the next start, after a death
//
// A start that finds any state but stopped comes after a death.
//
// # What survives
//
//   - A clean stop: everything.
//   - The death of the process, kill −9 included: every acknowledged record and
//     every committed offset. They are handed to the operating system before
//     they are acknowledged. A half-written batch at the end of a file is cut
//     off; it was not acknowledged.
//   - The death of the machine: what the operating system had written to the
//     disk, which on Linux may lack about the last thirty seconds. Acknowledged
//     changes can be lost then, although their source has been told that they
//     arrived: compare sinks with their source, or rebuild them.
//
// Producers number their batches, so that a broker can tell a batch that is sent
// again from a new one. kfake writes these numbers down on a clean stop alone.
// After a death it would go by those of the stop before: it would store a batch
// twice whose acknowledgement got lost, and refuse the next new batch of a
// producer that lived on. So they are read back from the batches themselves
// before it starts; see [restoreData].
//
// # Memory
//
// kfake indexes its records when it starts, and reads a segment file as a whole
// for that: one of every partition at a time where it has a snapshot of the
// partition, and all of them together where it has none, as after a death. So
// segments are of 2 MiB and one batch at most, and [restoreData] writes the
// snapshots that are missing; it reads through a buffer of 256 KiB. A start then
// needs up to two segments' memory for each partition, in use and not collected
// yet, beside the index of about 100 bytes a batch, and reads all records once;
// after a death, twice. The exception are partitions with transactional batches,
// which changefeed does not write: after a death they are in memory as a whole.
//
// Each segment that a client has read keeps a file descriptor until it is
// deleted, which makes 500 for each GiB.
//
// # Retention
//
// Records are deleted after seven days, as Kafka does by default, or as the
// topic's retention.ms and retention.bytes say; it is looked at at the start and
// once an hour. Offsets of a group without members are forgotten after seven
// days.
//
// A partition whose last record has been deleted goes on at the offset where it
// ended. kfake forgets that one when it stops, and would begin at 0 again, where
// groups that have committed offsets do not read. So an empty segment notes it;
// see [keepEnds]. What kfake itself deletes, of topics with a retention of their
// own, is noted up to an hour later; a death between the two loses the end.
//
// # Groups
//
// A member of a consumer group is given up after its session timeout, for which
// the broker takes any value from one second on, and at the end of a rebalance
// when it does not join again within its rebalance timeout. Both are the
// client's to set: Kafka clients default to a minute for the latter, which a
// member killed in mid-work makes the others wait. While a member's request to
// join or to sync waits, it cannot heartbeat, and the broker does so in its
// place; its session timeout runs from the answer on, whether or not it is still
// there to get it. kfake leaves that undone; see [sessions].
package broker
