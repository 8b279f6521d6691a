// Package readback reads from Kafka topics which changes of a source they hold:
// the positions in the headers of the records, without their values. A publisher
// that begins again leaves out what it finds there.
//
// # What is read
//
// [Tails.Read] reads each partition from a given offset to its end, [Tails.Last]
// its last offsets. The end is the high watermark: what lies beyond it can still
// be lost. A partition without an offset is read from its beginning, and so is
// one whose offset lies before it, because retention has deleted what was there,
// or beyond the end, because the topic has been made anew. Offsets of partitions
// that the topic does not have are passed over.
//
// Records without a position, with one that cannot be parsed or with one of
// another source are passed over: anybody may write to a topic. Records of
// transactions that were aborted are read like all others; publishers of this
// system make none.
//
// Partitions are read by number, outside of any consumer group, with requests
// that name the next offset of each. A reply says how far it goes, also where it
// holds no record: in a topic that is compacted, or that has the markers of
// transactions, the last offset may be that of no record. Where the brokers have
// nothing to send from an offset below the end, after five requests that each
// waited for half a second, there is nothing up to the end.
//
// # When it is over
//
// A publisher that died, or lost its connection, may have written what the
// brokers have yet to take in. Unless Read is told that nothing can be under way,
// it lists the ends again after it has come to them, reads what came since, and
// returns when this has brought no record of the source twice in a row, with a
// pause of [settlePause] between. Records of other sources do not count, or a
// busy topic would never be at rest.
//
// A record is in its leader's log before it is below the high watermark: that
// rises when all replicas in sync have the record, which can take long while one
// of them is slow. So Read also asks how far the logs go, as a replica would see
// them, and is not over before the ends have come that far. Brokers that do not
// tell are believed to have nothing more.
//
// # Failures
//
// What passes by itself (a change of the leader, a connection that is lost) is
// tried again, for [patience] without any progress; every other error is returned
// at once, with what to do where a person can mend it. Where a partition turns
// out to end before an offset that has been read, it has lost records, or its
// topic has been made anew: what was reported may not be there any more, and
// [ErrWentBack] is returned.
//
// # Memory
//
// At most [maxLanes] requests are under way at a time, for [fetchBytes] each.
// Brokers exceed that for a single batch that is larger, and a compressed batch
// takes what it holds. A reply is forgotten before the next request.
package readback
