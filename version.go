package changefeed

import (
	"fmt"
	"time"
)

// Version orders the states of one document. A sink that holds version v of a
// document refuses every write with a version that is not greater than v.
//
// A change from PostgreSQL has a version made of its epoch and commit position;
// a change from a publisher without a log has a clock's microseconds, which are
// less than any version from PostgreSQL, so that a topic can move from such a
// publisher to the write-ahead log.
type Version int64

// lsnBits is the room for a log position in a version: 4 PiB of log.
const lsnBits = 52

// MaxVersionLSN is the highest log position that a version can hold.
const MaxVersionLSN = 1<<lsnBits - 1

// MaxEpoch is the highest epoch that a version can hold.
const MaxEpoch = 1<<(63-lsnBits) - 1

// LogVersion returns the version of a change committed at lsn in an epoch.
// It fails where either does not fit, rather than give a version that sorts
// wrongly.
func LogVersion(epoch uint32, lsn uint64) (Version, error) {
	if epoch < 1 || epoch > MaxEpoch {
		return 0, fmt.Errorf("make version: epoch %d is not between 1 and %d", epoch, MaxEpoch)
	}
	if lsn > MaxVersionLSN {
		return 0, fmt.Errorf("make version: log position %X is above %X", lsn, uint64(MaxVersionLSN))
	}
	return Version(epoch)<<lsnBits | Version(lsn), nil
}

// ClockVersion returns the version of a change that has no log position: the
// microseconds since 1970 of the time at which it was published.
func ClockVersion(t time.Time) Version { return Version(t.UnixMicro()) }
