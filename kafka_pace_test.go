package changefeed_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// paced publishes batches of these sizes in turn, at once and to a broker that
// takes a while for each request, and returns how long each call took.
func paced(t *testing.T, answer time.Duration, sizes ...int) (took []time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cluster, brokers := kafka(t, "form-sql")
		p := newProgress()
		s := kafkaSink(t, brokers, p)
		if err := s.Publish(t.Context(), 1, changes(1)); err != nil { // the first one also looks for the topic
			t.Fatal(err)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		cluster.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			cluster.SleepControl(func() { time.Sleep(answer) })
			return nil, nil, false
		})
		time.Sleep(time.Second)
		for i, n := range sizes {
			begun := time.Now()
			if err := s.Publish(t.Context(), uint64(i+2), changes(n)); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(begun))
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	return took
}

func wantTimes(t *testing.T, got []time.Duration, want ...time.Duration) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("call %d takes %s, want %s", i, got[i], want[i])
		}
	}
}

func TestOneChangeAloneIsSentAtOnce(t *testing.T) {
	wantTimes(t, paced(t, 700*time.Microsecond, 1), 0)
}

func TestFewChangesWaitForTheAnswerToThoseBefore(t *testing.T) {
	wantTimes(t, paced(t, 700*time.Microsecond, 1, 1, 1), 0, 700*time.Microsecond, 700*time.Microsecond)
}

func TestFewChangesDoNotWaitForADistantBroker(t *testing.T) {
	wantTimes(t, paced(t, time.Second, 1, 1, 1), 0, 2*time.Millisecond, 2*time.Millisecond)
}

func TestManyChangesArePacedAndMoreAreNot(t *testing.T) {
	wantTimes(t, paced(t, 100*time.Microsecond, 100, 100, 600, 600), 0, 10*time.Millisecond, 0, 0)
}

// Else a single burst would make every later change wait, because as many as few
// come in the time of a wait.
func TestPaceEndsWithTheRushThatItWasFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers := kafka(t, "form-sql")
		s := kafkaSink(t, brokers, newProgress())
		seq := uint64(0)
		publish := func(n int) time.Duration {
			seq++
			begun := time.Now()
			if err := s.Publish(t.Context(), seq, changes(n)); err != nil {
				t.Fatal(err)
			}
			return time.Since(begun)
		}
		publish(100)
		if took := publish(100); took != 10*time.Millisecond {
			t.Errorf("a rush is paced by %s", took)
		}
		if took := publish(20); took > 2*time.Millisecond { // what two thousand a second bring in that time
			t.Errorf("after the rush, a call is paced by %s", took)
		}
	})
}

// The sink uses the memory of records again that have been acknowledged.
func TestMemoryThatIsUsedAgainKeepsRecordsIntact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, brokers := kafka(t, "form-sql")
		s := kafkaSink(t, brokers, newProgress())
		want := changes(20_000)
		for at, seq := 0, uint64(1); at < len(want); seq++ {
			n := min(1+int(seq*37%500), len(want)-at)
			if err := s.Publish(t.Context(), seq, want[at:at+n]); err != nil {
				t.Fatal(err)
			}
			at += n
			if seq%5 == 0 {
				if err := s.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkTopic(t, brokers, want)
	})
}
