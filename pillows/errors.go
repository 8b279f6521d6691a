package pillows

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The functions below add what to do to errors that only a person can mend.

// explainRecord is for a record that is not a change.
func explainRecord(err error, r *kgo.Record) error {
	return fmt.Errorf("%w: the partition waits at it; to leave it out, stop the pillow and set the group's offset of %s/%d to %d",
		err, r.Topic, r.Partition, r.Offset+1)
}

// explainFetch is for a partition that cannot be fetched. retry says whether
// fetching again may help.
func explainFetch(err error, p partition, next int64) (explained error, retry bool) {
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		return fmt.Errorf("offset %d is not in the topic any more: its records were removed (retention, or a broker lost them) before this pillow read them: "+
			"the partition waits, so that the gap is not passed over in silence; to go on, stop the pillow, set the group's offset of %s/%d "+
			"to one that exists, start it, and republish the documents that changed in between: %w", next, p.topic, p.number, err), false
	case errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("topic %s was deleted and made again: restart the pillow to read it from its beginning: %w", p.topic, err), false
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("grant READ and DESCRIBE on topic %s to the pillow's user: %w", p.topic, err), true
	default:
		return fmt.Errorf("fetch %s/%d: %w", p.topic, p.number, err), true
	}
}

// explainGroup is for what concerns the consumer group as a whole.
func explainGroup(err error) error {
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Errorf("grant READ on the consumer group to the pillow's user: %w", err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("grant READ and DESCRIBE on the topics to the pillow's user: %w", err)
	case errors.Is(err, kerr.InvalidSessionTimeout):
		return fmt.Errorf("set the pillow's session timeout between the brokers' group.min.session.timeout.ms and group.max.session.timeout.ms: %w", err)
	case errors.Is(err, kerr.InconsistentGroupProtocol):
		return fmt.Errorf("the consumer group is used by another kind of program: give the pillow another group: %w", err)
	default:
		return err
	}
}

// explainTopic is for a topic that cannot be listed.
func explainTopic(topic string, err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("topic %s does not exist: create it with \"changefeed init\" or \"changefeed topics create\": %w", topic, err)
	}
	return fmt.Errorf("topic %s: %w", topic, explainGroup(err))
}
