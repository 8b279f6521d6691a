package broker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sessions keeps a promise of Kafka that kfake breaks: a member whose JoinGroup
// or SyncGroup waits for its answer is taken for alive, since it cannot
// heartbeat meanwhile, and its session timeout runs from the answer on.
//
// In kfake the timeout of a member that joins anew runs from the answer only if
// the answer could be handed to its connection. A member that is killed while
// its first JoinGroup waits may have none at all, and then keeps its partitions
// for ever.
// For a member that joins again, or that waits in SyncGroup, the timeout goes on
// from before: where another member takes longer to come, it is thrown out while
// it waits, and its request is never answered.
//
// So the broker heartbeats in place of the members whose requests wait, and once
// more for all members when a generation begins. It gives nobody up itself: what
// it sends can only make kfake's own timers run from a later moment, for as long
// as kfake lets a rebalance take.
//
// It can go when kfake, in the function that answers waiting requests, starts
// the session timer also where the connection is gone, and stops that timer
// while a request waits. The tests of this file then pass without it.
type sessions struct {
	cluster *kfake.Cluster
	log     *slog.Logger
	wake    chan struct{} // holds one

	mu    sync.Mutex
	asked map[string]requests // by group, since the last look; guarded by mu
}

// requests says of each member what it sent last: JoinGroup or SyncGroup.
type requests map[string]kmsg.Key

// rebalance is a group from the first JoinGroup on until it is stable.
type rebalance struct {
	generation int32    // when last looked at
	asked      requests // in this generation
	begun      bool     // the generation's members have had their heartbeat
}

// lookInterval is how often a rebalance is looked at, and the interval of the
// heartbeats. It leaves room for the shortest session timeout.
const lookInterval = minSessionTimeout / 5

// States of a group, as kfake names them.
const (
	groupJoining = "PreparingRebalance"
	groupSyncing = "CompletingRebalance"
	groupStable  = "Stable"
)

// newSessions has kfake report what members ask, from now on.
func newSessions(cluster *kfake.Cluster, log *slog.Logger) *sessions {
	s := &sessions{cluster: cluster, log: log, wake: make(chan struct{}, 1), asked: make(map[string]requests)}
	cluster.Fault(kfake.Fault{
		Keys:     []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup},
		TopLevel: true, // once a request, before it is handled
		Observe:  true,
		Count:    -1,
		When:     s.note,
	})
	return s
}

// note runs in kfake's one goroutine. It does not claim the request.
func (s *sessions) note(req kmsg.Request) bool {
	var group, member string
	switch r := req.(type) {
	case *kmsg.JoinGroupRequest:
		group, member = r.Group, r.MemberID // empty in a first one
	case *kmsg.SyncGroupRequest:
		group, member = r.Group, r.MemberID
	default:
		return false
	}
	s.mu.Lock()
	if s.asked[group] == nil {
		s.asked[group] = make(requests)
	}
	s.asked[group][member] = kmsg.Key(req.Key())
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return false
}

func (s *sessions) take() map[string]requests {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = make(map[string]requests)
	return asked
}

// run watches rebalances until ctx ends. The client is one of the broker. It
// must have ended before the cluster is closed.
func (s *sessions) run(ctx context.Context, client *kgo.Client) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	rebalances := make(map[string]*rebalance)
	for {
		var again <-chan time.Time
		if len(rebalances) > 0 {
			again = tick.C
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-again:
		}
		asked := s.take()
		for group := range asked {
			if rebalances[group] == nil {
				rebalances[group] = &rebalance{generation: -1}
			}
		}
		for group, r := range rebalances {
			if s.look(ctx, client, group, r, asked[group]) {
				delete(rebalances, group)
			}
		}
	}
}

// look sends the heartbeats that are due in a group, and reports whether its
// rebalance is over. The requests are those since the look before: kfake has
// handled them when it tells the state of the group.
func (s *sessions) look(ctx context.Context, client *kgo.Client, group string, r *rebalance, asked requests) (over bool) {
	info := s.cluster.GroupInfo(group)
	if info == nil || len(info.Members) == 0 {
		return true
	}
	if info.Epoch != r.generation { // all that waited before was answered
		*r = rebalance{generation: info.Epoch, asked: make(requests)}
	}
	maps.Copy(r.asked, asked)
	for _, m := range info.Members {
		if !r.due(info.State, m.MemberID) {
			continue
		}
		if err := heartbeat(ctx, client, group, m.MemberID, r.generation); err != nil {
			if ctx.Err() == nil {
				s.log.WarnContext(ctx, "the embedded broker could not begin the session of a member; it tries again",
					slog.String("group", group), slog.Any("error", err))
			}
			return false
		}
	}
	r.begun = info.State != groupJoining
	return info.State != groupJoining && info.State != groupSyncing
}

// due reports whether a member gets a heartbeat from the broker.
func (r *rebalance) due(state, member string) bool {
	switch state {
	case groupJoining:
		return r.asked[member] == kmsg.JoinGroup
	case groupSyncing:
		return !r.begun || r.asked[member] == kmsg.SyncGroup
	case groupStable:
		return !r.begun
	}
	return false // a group without sessions of this kind
}

// heartbeat starts the session timer of a member anew. What the broker answers
// does not matter: the member may have gone, or the generation ended, since; and
// members of groups of the newer protocol, which have timers of their own, are
// unknown to it.
func heartbeat(ctx context.Context, client *kgo.Client, group, member string, generation int32) error {
	ctx, cancel := context.WithTimeout(ctx, minSessionTimeout)
	defer cancel()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = group, member, generation
	if _, err := req.RequestWith(ctx, client); err != nil {
		return fmt.Errorf("send heartbeat: %w", err)
	}
	return nil
}
