// Package state keeps what the system has to remember, in tables of the schema
// changefeed in one PostgreSQL database: checkpoints of sources with the claims
// to them, the epochs that sources have had, gaps. It also runs the migrations of
// package sql, on that database and on those of sources.
//
// # Claims
//
// A publisher claims its source before it publishes, and saves with its claim.
// Claims of a source are numbered; taking the next number is one statement, and
// saving is one that changes the row only where the number is still the last
// given. So of any number of publishers that believe to be the one, exactly the
// last to claim can save, whatever the delays between them, and the others are
// told with [ErrFenced]. What is saved survives the claim.
//
//	publisher A   claim 7 ─────── save ✓ ──────────── save ✗ fenced
//	publisher B              claim 8, reads A's save ── save ✓
//
// A checkpoint does not go back: within an epoch its LSN does not fall, and its
// epoch does not. A statement that the network delivers late can therefore do no
// harm, and one whose answer was lost can be sent again.
//
// # Epochs
//
// One row has the last epoch that was given out. Taking the next locks it, so
// that no two sources get the same. Whoever asks names the highest epoch it knows
// of from elsewhere, because the row goes back with its database.
//
// # What a dead server does
//
// Every call ends within seconds: the server is told to give statements up, the
// client stops waiting a little later, and connecting has a limit too. Calls do
// not repeat themselves. Commits wait for the disk (synchronous_commit is left as
// the server has it).
//
// # Migrations
//
// Scripts are run in the order of their numbers, each in a transaction that also
// records its number and checksum. An advisory lock lets one process at a time do
// so; the others find the work done. A database that records a script this
// program does not know, or another one of the same number, is refused: what the
// tables mean is then known to another version of the program.
package state
