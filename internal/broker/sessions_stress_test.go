package broker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/internal/broker"
)

// In each round a member comes, and while it does, some member dies after a
// random number of writes: as it joins, as it syncs, later, and every other time
// the one that came. There are many groups at once, because the deaths take time
// to be noticed, not work.
func TestSurvivorsHaveAllPartitionsWheneverAMemberIsKilled(t *testing.T) {
	t.Parallel()
	const crowds, rounds = 10, 3
	b, _ := start(t, broker.Config{Dir: t.TempDir()})
	admin := client(t, b.Addr())
	createTopic(t, admin, "orders", crowdPartitions)
	var all sync.WaitGroup
	for i := range crowds {
		c := &crowd{
			addr: b.Addr(), group: fmt.Sprint("crowd-", i), admin: kadm.NewClient(admin),
			owner: make(map[int32]*mortal), changed: make(chan struct{}, 1),
		}
		for range 3 {
			c.add(t)
		}
		all.Go(func() {
			if err := c.untilSettled(t.Context()); err != nil {
				t.Errorf("%s: at first: %v", c.group, err)
			}
			for round := range rounds {
				c.add(t)
				victim, writes := rand.IntN(len(c.living)), 1+rand.IntN(20)
				if rand.IntN(2) == 0 {
					victim = len(c.living) - 1
				}
				if err := c.lose(t.Context(), victim, writes); err != nil {
					t.Errorf("%s: round %d: member %d killed after %d writes: %v", c.group, round, victim, writes, err)
				}
			}
		})
	}
	all.Wait()
}

const (
	crowdPartitions = 6
	crowdRebalance  = 2 * time.Second
	// crowdPatience is what the broker may take, and a second of slack for a busy
	// machine.
	crowdPatience = session + crowdRebalance + time.Second
)

// crowd is a group of members, and what each of them thinks it owns.
type crowd struct {
	addr, group string
	admin       *kadm.Client
	living      []*mortal
	changed     chan struct{} // holds one

	mu    sync.Mutex
	owner map[int32]*mortal // by partition; guarded by mu
}

func (c *crowd) add(t *testing.T) {
	t.Helper()
	m := &mortal{dead: make(chan struct{}), conns: make(map[net.Conn]struct{})}
	gone := func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { c.own(m, nil, parts) }
	m.client = client(t, c.addr,
		kgo.Dialer(m.dial),
		kgo.RetryTimeout(time.Second), // of a dead one that would leave the group
		kgo.ConsumerGroup(c.group),
		kgo.ConsumeTopics("orders"),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(session),
		kgo.RebalanceTimeout(crowdRebalance),
		kgo.HeartbeatInterval(session/5),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { c.own(m, m, parts) }),
		kgo.OnPartitionsRevoked(gone),
		kgo.OnPartitionsLost(gone),
	)
	c.living = append(c.living, m)
}

// own notes that partitions a member had, or nobody, have an owner, or none. A
// member that has been thrown out learns of it late: it loses only what is its.
func (c *crowd) own(m, owner *mortal, parts map[string][]int32) {
	c.mu.Lock()
	for _, p := range parts["orders"] {
		if owner != nil || c.owner[p] == m {
			c.owner[p] = owner
		}
	}
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// lose waits until a member has died, after so many writes, and the others have
// taken over.
func (c *crowd) lose(ctx context.Context, victim, writes int) error {
	m := c.living[victim]
	c.living = slices.Delete(c.living, victim, victim+1)
	m.dieAfter(writes)
	select {
	case <-m.dead:
		var closing sync.WaitGroup
		defer closing.Wait()
		closing.Go(m.client.Close) // takes the client its retry timeout
		return c.untilSettled(ctx)
	case <-time.After(crowdPatience):
		return errors.New("it lives: it has not made as many writes")
	}
}

// untilSettled waits until each partition is a living member's, and the broker
// knows of no others.
func (c *crowd) untilSettled(ctx context.Context) error {
	end := time.NewTimer(crowdPatience)
	defer end.Stop()
	tick := time.NewTicker(session / 10)
	defer tick.Stop()
	for {
		left := c.unowned()
		groups, err := c.admin.DescribeGroups(ctx, c.group)
		g := groups[c.group]
		if len(left) == 0 && err == nil && g.State == "Stable" && len(g.Members) == len(c.living) {
			return nil
		}
		select {
		case <-c.changed:
		case <-tick.C:
		case <-end.C:
			return errors.Join(err, fmt.Errorf("after %s, of %d living members, nobody has the partitions %v; to the broker the group is %s, of %d members",
				crowdPatience, len(c.living), left, g.State, len(g.Members)))
		}
	}
}

func (c *crowd) unowned() (left []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range int32(crowdPartitions) {
		if !slices.Contains(c.living, c.owner[p]) {
			left = append(left, p)
		}
	}
	return left
}

// mortal is a client that can be cut off from the broker for good, in the middle
// of whatever it does.
type mortal struct {
	client *kgo.Client
	dead   chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	left  int // writes before it dies, where it shall; guarded, as all here, by mu
}

// dieAfter cuts the client off when it has made so many writes more.
func (m *mortal) dieAfter(writes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = writes
}

func (m *mortal) isDead() bool {
	select {
	case <-m.dead:
		return true
	default:
		return false
	}
}

func (m *mortal) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isDead() {
		conn.Close()
		return nil, net.ErrClosed
	}
	m.conns[conn] = struct{}{}
	return mortalConn{conn, m}, nil
}

type mortalConn struct {
	net.Conn
	m *mortal
}

func (c mortalConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if c.m.left--; c.m.left == 0 && !c.m.isDead() {
		close(c.m.dead)
		for conn := range c.m.conns {
			conn.Close()
		}
	}
	return n, err
}
