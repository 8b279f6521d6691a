package changefeed

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// explainProduce adds what to do to the errors that only a person can mend.
func explainProduce(err error) error {
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("%w: create it with \"changefeed init\" or \"changefeed topics create\"", err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("%w: grant WRITE and DESCRIBE on it to the publisher's user", err)
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("%w: raise the topic's max.message.bytes", err)
	default:
		return err
	}
}
