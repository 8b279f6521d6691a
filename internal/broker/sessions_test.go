package broker_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"changefeed/internal/broker"
)

// Timeouts of the members in these tests, and how long at most they wait for
// what has to come: much less than the rebalance timeout, which would free a
// group too.
const (
	session   = time.Second
	rebalance = time.Minute
	patience  = 5 * time.Second
)

func TestMemberKilledWhileItJoinsIsGivenUp(t *testing.T) {
	inGroups(t, func(t *testing.T, addr, group string) {
		heir := found(t, addr, group)
		victim := dial(t, addr, group)
		victim.ask(victim.joinRequest("")) // waits for the heir
		heir.untilRebalance()
		victim.kill()
		heir.join("")
		heir.want("members of the generation", heir.members, 2) // nobody knows yet
		heir.sync()

		heir.untilRebalance()
		heir.join("")
		heir.want("members of the next generation", heir.members, 1)
	})
}

func TestLeaderKilledWhileItJoinsIsGivenUp(t *testing.T) {
	inGroups(t, func(t *testing.T, addr, group string) {
		victim := found(t, addr, group)
		heir := dial(t, addr, group)
		heir.ask(heir.joinRequest(""))
		victim.untilRebalance()
		victim.join("")
		heir.joined()
		heir.ask(heir.syncRequest())
		victim.sync()
		heir.synced(0)

		victim.ask(victim.joinRequest("changed")) // waits for the heir
		heir.untilRebalance()
		victim.kill()
		heir.join("")
		heir.ask(heir.syncRequest()) // waits for the leader
		heir.synced(kerr.RebalanceInProgress.Code)
		heir.join("")
		heir.want("members of the next generation", heir.members, 1)
	})
}

func TestLeaderKilledBeforeItSyncsIsGivenUp(t *testing.T) {
	inGroups(t, func(t *testing.T, addr, group string) {
		victim := found(t, addr, group)
		heir := dial(t, addr, group)
		heir.ask(heir.joinRequest(""))
		victim.untilRebalance()
		victim.join("")
		victim.kill()
		heir.joined()
		heir.ask(heir.syncRequest())
		heir.synced(kerr.RebalanceInProgress.Code)
		heir.join("")
		heir.want("members of the next generation", heir.members, 1)
	})
}

// inGroups runs a test in some groups: whether kfake takes the answer to a dead
// member for sent, and which of two timers runs out first, is chance.
func inGroups(t *testing.T, test func(t *testing.T, addr, group string)) {
	t.Helper()
	t.Parallel()
	b, _ := start(t, broker.Config{Dir: t.TempDir()})
	for i := range 6 {
		group := fmt.Sprint("readers-", i)
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			test(t, b.Addr(), group)
		})
	}
}

// One member has work to finish, and says that it lives; the other cannot.
func TestMemberThatWaitsLongerThanItsSessionIsAnswered(t *testing.T) {
	t.Parallel()
	b, _ := start(t, broker.Config{Dir: t.TempDir()})
	for _, when := range []string{"JoinGroup", "SyncGroup"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			busy := found(t, b.Addr(), when)
			waiting := dial(t, b.Addr(), when)
			waiting.ask(waiting.joinRequest(""))
			busy.untilRebalance()
			busy.join("")
			waiting.joined()
			waiting.ask(waiting.syncRequest())
			if when == "SyncGroup" {
				busy.work(5 * session / 2)
			}
			busy.sync()
			waiting.synced(0)

			waiting.ask(waiting.joinRequest("changed"))
			busy.untilRebalance()
			if when == "JoinGroup" {
				busy.work(5 * session / 2)
			}
			busy.join("")
			busy.want("members of the generation", busy.members, 2)
			waiting.joined()
		})
	}
}

// member speaks the protocol of consumer groups over a connection of its own,
// one request at a time, and nothing happens to it that the test does not do.
type member struct {
	t          *testing.T
	conn       *net.TCPConn
	format     *kmsg.RequestFormatter
	group, id  string
	generation int32
	members    int // of its generation, if it leads
}

func dial(t *testing.T, addr, group string) *member {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &member{t: t, conn: conn.(*net.TCPConn), format: kmsg.NewRequestFormatter(), group: group}
}

// found returns the one member, and so the leader, of a new group.
func found(t *testing.T, addr, group string) *member {
	t.Helper()
	m := dial(t, addr, group)
	m.join("")
	m.want("members of the first generation", m.members, 1)
	m.sync()
	return m
}

// kill ends the connection, as the death of the process would. The broker has
// seen it when it has closed its side.
func (m *member) kill() {
	m.t.Helper()
	if err := m.conn.CloseWrite(); err != nil {
		m.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, m.conn); err != nil {
		m.t.Fatal(err)
	}
}

// ask sends a request; answer reads what it got, in time.
func (m *member) ask(req kmsg.Request) {
	m.t.Helper()
	if _, err := m.conn.Write(m.format.AppendRequest(nil, req, 0)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) answer(resp kmsg.Response) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	head := make([]byte, 8) // size, correlation id
	if _, err := io.ReadFull(m.conn, head); err != nil {
		m.t.Fatalf("answer to %s: %v", kmsg.NameForKey(resp.Key()), err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(m.conn, body); err != nil {
		m.t.Fatal(err)
	}
	if err := resp.ReadFrom(body); err != nil {
		m.t.Fatal(err)
	}
}

// joinRequest returns a request to join; a member without an id asks for one
// before.
func (m *member) joinRequest(metadata string) *kmsg.JoinGroupRequest {
	m.t.Helper()
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version = 5
	req.Group, req.ProtocolType = m.group, "test"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(session.Milliseconds()), int32(rebalance.Milliseconds())
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "test", Metadata: []byte(metadata)}}
	if m.id == "" {
		m.ask(req)
		resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
		m.answer(resp)
		m.wantCode(resp.ErrorCode, kerr.MemberIDRequired.Code)
		m.id = resp.MemberID
	}
	req.MemberID = m.id
	return req
}

func (m *member) join(metadata string) {
	m.t.Helper()
	m.ask(m.joinRequest(metadata))
	m.joined()
}

func (m *member) joined() {
	m.t.Helper()
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version = 5
	m.answer(resp)
	m.wantCode(resp.ErrorCode, 0)
	m.generation, m.members = resp.Generation, len(resp.Members)
}

func (m *member) syncRequest() *kmsg.SyncGroupRequest {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version = 3
	req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
	return req
}

// sync is that of a leader, which does not wait.
func (m *member) sync() {
	m.t.Helper()
	m.ask(m.syncRequest())
	m.synced(0)
}

func (m *member) synced(code int16) {
	m.t.Helper()
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version = 3
	m.answer(resp)
	m.wantCode(resp.ErrorCode, code)
}

func (m *member) heartbeat() (code int16) {
	m.t.Helper()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version = 3
	req.Group, req.MemberID, req.Generation = m.group, m.id, m.generation
	m.ask(req)
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	m.answer(resp)
	return resp.ErrorCode
}

// untilRebalance heartbeats until it is told of a rebalance.
func (m *member) untilRebalance() {
	m.t.Helper()
	m.heartbeats(patience, func(code int16) (end bool) {
		if code != kerr.RebalanceInProgress.Code {
			m.wantCode(code, 0)
			return false
		}
		return true
	}, func() { m.t.Fatalf("no rebalance began within %s", patience) })
}

// work heartbeats for a time, as a member does whose records keep it busy.
func (m *member) work(d time.Duration) {
	m.t.Helper()
	m.heartbeats(d, func(code int16) (end bool) {
		if code != kerr.RebalanceInProgress.Code {
			m.wantCode(code, 0)
		}
		return false
	}, func() {})
}

func (m *member) heartbeats(d time.Duration, told func(code int16) (end bool), over func()) {
	m.t.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(session / 10)
	defer tick.Stop()
	for !told(m.heartbeat()) {
		select {
		case <-tick.C:
		case <-end.C:
			over()
			return
		}
	}
}

func (m *member) want(what string, got, want int) {
	m.t.Helper()
	if got != want {
		m.t.Fatalf("%s: %d, want %d", what, got, want)
	}
}

func (m *member) wantCode(got, want int16) {
	m.t.Helper()
	if got != want {
		m.t.Fatalf("answered with %v, want %v", kerr.ErrorForCode(got), kerr.ErrorForCode(want))
	}
}
