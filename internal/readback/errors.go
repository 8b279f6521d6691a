package readback

import (
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrWentBack is wrapped by the errors of Read and Last where a partition lost
// records, or its topic was made anew, while it was read.
var ErrWentBack = errors.New("the partition ends before what has been read of it: begin again")

var errMissing = errors.New(`it does not exist: create it with "changefeed init" or "changefeed topics create"`)

// errConnection marks what became of a request before it was answered. Metadata
// has been had from the brokers by then, so settings are not at fault.
var errConnection = errors.New("no answer")

// passes reports whether an error goes away by itself.
func passes(err error) bool {
	if _, refused := errors.AsType[*net.OpError](err); refused || errors.Is(err, errConnection) {
		return true
	}
	// An offset that is out of range is put right by the bounds, listed again. A
	// topic that a broker does not know, it may not know yet: metadata decides.
	return errors.Is(err, kerr.OffsetOutOfRange) || kerr.IsRetriable(err) || kgo.IsRetryableBrokerErr(err)
}

// explain says of which partition an error is, and what to do.
func explain(topic string, number int32, err error) error {
	return fmt.Errorf("partition %d of %w", number, explainTopic(topic, err))
}

func explainTopic(topic string, err error) error {
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		return fmt.Errorf("topic %s: %w: grant READ and DESCRIBE on it to the publisher's user", topic, err)
	}
	return fmt.Errorf("topic %s: %w", topic, err)
}
