package pillows

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Bounds of what the client fetches. A broker that has something answers with at
// most fetchBytes, and the client asks no broker again before all of that has
// been polled: fetched records take at most fetchBytes a broker.
const (
	fetchBytes          = 8 << 20
	fetchPartitionBytes = 1 << 20
	// fetchWait bounds how long a partition that is fetched again after a pause
	// waits for the request that was under way without it.
	fetchWait = 250 * time.Millisecond
	// Topics that are made or get partitions later are seen after these.
	metadataMinAge = time.Second
	metadataMaxAge = 30 * time.Second
)

// options are those of the client. The caller's come first: they say how the
// brokers are reached and cannot change how the group works. Workers run until
// working ends.
func (m *member) options(working context.Context) []kgo.Opt {
	c := &m.pillow.config
	own := []kgo.Opt{
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(c.Topics...),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(c.SessionTimeout),
		kgo.RebalanceTimeout(c.RebalanceTimeout),
		kgo.HeartbeatInterval(min(c.SessionTimeout/3, 3*time.Second)),
		// Callbacks run between polls, never while records are handed out.
		kgo.BlockRebalanceOnPoll(),
		kgo.DisableAutoCommit(),
		// A partition without an offset is read from its beginning; one whose
		// offset is gone stops with an error. Both are the client's choice if not
		// said, and the choice has changed between its versions.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.FetchMaxWait(fetchWait),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.MetadataMaxAge(metadataMaxAge),
		kgo.DisableClientMetrics(),
		kgo.OnPartitionsAssigned(func(_ context.Context, client *kgo.Client, assigned map[string][]int32) {
			m.assigned(working, client, assigned)
		}),
		kgo.OnOffsetsFetched(func(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
			m.offsetsFetched(resp)
			return nil
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, revoked map[string][]int32) { m.revoked(revoked) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { m.lost(lost) }),
	}
	return slices.Concat([]kgo.Opt{kgo.ClientID("changefeed")}, m.pillow.client, own)
}
