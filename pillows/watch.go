package pillows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// watchEvery is how often the ends of the topics are asked for, and
	// watchTimeout how long that may take before it is said that brokers do not
	// answer.
	watchEvery   = 10 * time.Second
	watchTimeout = 4 * time.Second
	// watchAgain replaces watchEvery while something is wrong, or new.
	watchAgain = 2 * time.Second
)

// watch asks for the ends of the topics until ctx ends. It says which topics do
// not exist and when the brokers do not answer, and keeps the high watermarks of
// partitions that are not fetched at present.
func (m *member) watch(ctx context.Context, client *kgo.Client) {
	admin := kadm.NewClient(client)
	for {
		pause := watchEvery
		switch err := m.look(ctx, admin); {
		case err == nil:
			m.brokers.over("the brokers answer and all topics exist")
			if m.endUnknown() {
				pause = watchAgain
			}
		case ctx.Err() == nil:
			m.brokers.say("the pillow waits", err)
			pause = watchAgain
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// look asks once and returns what is wrong.
func (m *member) look(ctx context.Context, admin *kadm.Client) error {
	asking, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	ends, err := admin.ListEndOffsets(asking, m.pillow.config.Topics...)
	var denied *kadm.AuthError
	switch {
	case errors.As(err, &denied):
		return explainGroup(err)
	case err != nil:
		return fmt.Errorf("the brokers do not answer: see that they run and that kafka.brokers is right: %w", err)
	}
	var faults []error
	for _, topic := range m.pillow.config.Topics {
		for number, end := range ends[topic] {
			w := m.worker(partition{topic, number})
			switch {
			case end.Err != nil && number < 0: // the topic as a whole
				faults = append(faults, explainTopic(topic, end.Err))
			case end.Err == nil && w != nil:
				w.setEnd(end.Offset)
			}
		}
	}
	return errors.Join(faults...)
}

// endUnknown reports whether the high watermark of some partition has not been
// seen yet.
func (m *member) endUnknown() bool {
	return slices.ContainsFunc(m.all(), func(w *worker) bool { return w.stats().EndOffset < 0 })
}
