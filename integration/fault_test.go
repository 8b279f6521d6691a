package integration_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

// newImpatientSite has a server that gives a publisher up after two seconds.
func newImpatientSite(t *testing.T) *site {
	t.Helper()
	server := localpgtest.New(t, localpg.Config{Settings: map[string]string{"wal_sender_timeout": "2s"}})
	s := newSite(t, server, ordersConfiguration)
	s.exec(t, ordersTable)
	return s
}

const slotActive = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'changefeed_shop' AND active"

// The publisher stands still for longer than the server waits for it, while there
// are changes to publish.
func TestAPublisherThatWasSuspendedGoesOn(t *testing.T) {
	s := newImpatientSite(t)
	p := s.startParts(t)
	s.exec(t, "INSERT INTO orders SELECT n, n FROM generate_series(1, 100) n")
	s.becomesZero(t, time.Minute, ordersDifferences)

	p.publisher.signal(t, syscall.SIGSTOP)
	s.exec(t, "UPDATE orders SET total = total + 1 WHERE id % 2 = 0; DELETE FROM orders WHERE id % 10 = 0")
	s.becomesZero(t, time.Minute, slotActive) // the server has given it up
	s.exec(t, "INSERT INTO orders SELECT n, n FROM generate_series(101, 200) n")
	p.publisher.signal(t, syscall.SIGCONT)

	s.becomesZero(t, time.Minute, ordersDifferences)
	p.publisher.waitFor(t, "publishing goes on")
	p.stop(t)
}

func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// While the broker is gone and the application goes on, the publisher's memory
// stays where it is, and the server hears from it.
func TestTheServerHearsFromThePublisherWhileTheBrokerIsDown(t *testing.T) {
	s := newImpatientSite(t)
	p := s.startParts(t)
	s.exec(t, "INSERT INTO orders SELECT n, n FROM generate_series(1, 20000) n")
	s.becomesZero(t, time.Minute, ordersDifferences)
	p.broker.kill()
	sender := s.text(t, "SELECT active_pid::text FROM pg_replication_slots WHERE slot_name = 'changefeed_shop'")

	var sizes []int
	end := time.Now().Add(8 * time.Second) // four times what the server waits
	for time.Now().Before(end) {
		s.exec(t, "UPDATE orders SET total = total + 1")
		sizes = append(sizes, p.publisher.residentKB(t))
	}
	if now := s.text(t, "SELECT coalesce(active_pid::text, '') FROM pg_replication_slots WHERE slot_name = 'changefeed_shop'"); now != sender {
		t.Errorf("the slot was read by process %s, and now by %q", sender, now)
	}
	// The queue and the buffers fill first.
	t.Logf("resident, in kB, after each of %d updates of 20,000 rows: %v", len(sizes), sizes)
	half := len(sizes) / 2
	if half < 3 {
		t.Fatalf("only %d updates in 8 s: nothing was tested", len(sizes))
	}
	if first, last := sizes[half], sizes[len(sizes)-1]; last > first+16<<10 {
		t.Errorf("memory grew from %d kB to %d kB in the second half", first, last)
	}
	p.broker = s.start(t, "broker")
	s.becomesZero(t, time.Minute, ordersDifferences)
	p.stop(t)
}

// text returns the answer to a query of one row and column.
func (s *site) text(t *testing.T, query string) (answer string) {
	t.Helper()
	conn := s.connect(t)
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

// residentKB is how much memory the process has.
func (p *process) residentKB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if os.IsNotExist(err) {
		t.Skip("this system does not tell a process's memory")
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			size, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return size
		}
	}
	t.Fatalf("no VmRSS: %v\n%s", err, status)
	return 0
}
