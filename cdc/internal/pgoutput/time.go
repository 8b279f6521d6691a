package pgoutput

import "time"

// epoch is PostgreSQL's, 2000-01-01 00:00 UTC, in seconds of Unix time.
const epoch = 946_684_800

// Time returns the time, in UTC, of a timestamp of the replication protocol:
// microseconds since 2000-01-01 00:00 UTC.
func Time(microseconds int64) time.Time {
	return time.Unix(epoch+microseconds/1e6, microseconds%1e6*1e3).UTC()
}

// Microseconds is the inverse of [Time]. What t has beyond microseconds is cut off.
func Microseconds(t time.Time) int64 {
	return (t.Unix()-epoch)*1e6 + int64(t.Nanosecond())/1e3
}
