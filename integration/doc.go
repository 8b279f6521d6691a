// Package integration tests the whole system from outside: the program as a user
// runs it, in several processes, on real servers, while they are killed and while
// they are gone.
//
// The chaos tests hold the topics against an audit that triggers write in the same
// transactions, and print what they found as one line of JSON:
//
//	transactions, documents  committed, a document counted once a transaction
//	records                  in the topics
//	lost                     documents of transactions without a record
//	duplicated               records beyond the first
//	out_of_order             records behind one of a higher position in their partition
//	late                     those of them that were left out before, see compare.sql
//	wrong                    records of nothing committed, or that say the opposite
//	unstable                 positions that differ between repeats, or are not unique
//
// -chaos.duration makes them longer, -chaos.seed has them do the same again, as far
// as the times of several processes can be the same.
package integration
