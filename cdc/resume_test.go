package cdc_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cdc/cdctest"
	"changefeed/cdc/internal/pgoutput"
)

func TestCheckpointsAndTailsNeedEachOther(t *testing.T) {
	r := &resumed{topics: cdctest.NewTopics(1), checkpoints: cdctest.NewCheckpoints()}
	for _, deps := range []cdc.Deps{{Checkpoints: r.checkpoints}, {Tails: r.topics}} {
		deps.OpenSink, deps.Log = r.topics.Open, slog.New(slog.DiscardHandler)
		cfg := cdc.Config{Source: "main", DSN: cdctest.DSN, Tables: []cdc.Table{{Name: cdc.TableName{Schema: "public", Name: "orders"}, Topic: "orders", DocumentID: []string{"id"}}}}
		if _, err := cdc.New(cfg, deps); err == nil || !strings.Contains(err.Error(), "need each other") {
			t.Errorf("New = %v", err)
		}
	}
}

func TestCrashInTheFirstSecondRepeatsNothing(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		stream := r.stream()
		if n := len(r.checkpoints.History()); n != 1 {
			t.Fatalf("%d checkpoints are saved before anything is published, want 1", n)
		}
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a", "b")...)
		synctest.Wait()
		r.wantEach("1/100/0 a", "1/100/1 b")
		r.crash()
		stream = r.stream()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a", "b")...)
		stream.Send(t, 0x140, transaction(0x140, 0x180, "c")...)
		stream.WaitFlushed(t, 0x180)
		r.wantEach("1/100/0 a", "1/100/1 b", "1/140/0 c")
		if got := r.publisher.Stats(); got.Skipped != 2 || got.Published != 1 || got.Epoch != 1 {
			t.Errorf("stats %+v, want 2 skipped, 1 published, in epoch 1", got)
		}
	})
}

func TestCrashInTheMiddleOfATransactionInPiecesRepeatsNothing(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		stream := r.stream()
		large := transaction(0x100, 0x140, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
		stream.Send(t, 0x100, large[:2+9]...) // two pieces of four are published
		time.Sleep(2 * time.Second)
		saved := r.checkpoints.Saved("main")
		if want := (changefeed.Position{Source: "main", Epoch: 1, LSN: 0x100, Ordinal: 7}); saved.LSN != 0 || saved.Acknowledged != want {
			t.Errorf("saved %+v, want no whole transaction, and %v acknowledged", saved, want)
		}
		r.crash()
		stream = r.stream()
		stream.Send(t, 0x100, large...)
		stream.WaitFlushed(t, 0x140)
		r.wantEach("1/100/0 a", "1/100/1 b", "1/100/2 c", "1/100/3 d", "1/100/4 e", "1/100/5 f", "1/100/6 g", "1/100/7 h", "1/100/8 i", "1/100/9 j")
	})
}

func TestServerThatForgetsWhatWasConfirmedIsPassedOver(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		stream := r.stream()
		for _, id := range []string{"a", "b", "c"} {
			lsn := 0x100 + 0x40*uint64(id[0]-'a')
			stream.Send(t, lsn, transaction(lsn, lsn+0x40, id)...)
		}
		stream.WaitFlushed(t, 0x1c0)
		time.Sleep(2 * time.Second) // the checkpoint is saved
		r.server.CutAll()
		synctest.Wait()
		r.server.SetConfirmed(0)
		stream = r.stream()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		stream.Keepalive(t, 0x140, true)
		time.Sleep(5 * time.Second)
		if stream.Flushed() != 0 {
			t.Errorf("confirmed %X before the log has proved to be the same", stream.Flushed())
		}
		stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
		stream.Send(t, 0x180, transaction(0x180, 0x1c0, "c")...)
		stream.WaitFlushed(t, 0x1c0)
		stream.Send(t, 0x1c0, transaction(0x1c0, 0x200, "d")...)
		stream.WaitFlushed(t, 0x200)
		r.wantEach("1/100/0 a", "1/140/0 b", "1/180/0 c", "1/1c0/0 d")
	})
}

func TestCheckpointIsSavedOnceASecondAndOnlyAfterChanges(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		stream := r.stream()
		for i := range 100 { // in ten seconds
			lsn := 0x100 + 0x40*uint64(i)
			stream.Send(t, lsn, transaction(lsn, lsn+0x40, "a")...)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		n := len(r.checkpoints.History())
		if n < 10 || n > 13 {
			t.Errorf("%d checkpoints in twelve seconds, want one a second", n)
		}
		want := cdc.Checkpoint{
			System: "7000000000000000000", Timeline: 1, Epoch: 1, LSN: 0x100 + 0x40*100,
			Acknowledged: changefeed.Position{Source: "main", Epoch: 1, LSN: 0x100 + 0x40*99},
			Offsets:      changefeed.Offsets{"orders": {0, 0, 0}, "items": {0, 0, 0}},
			Layout:       r.checkpoints.Saved("main").Layout,
		}
		want.Offsets["orders"][changefeed.Partition([]byte("a"), partitions)] = 100
		if diff := cmp.Diff(want, r.checkpoints.Saved("main")); diff != "" {
			t.Error(diff)
		}
		for i := range 100 { // the log of others, the state's own among it
			lsn := 0x2000 + 0x40*uint64(i)
			stream.Send(t, lsn, begin(lsn), commit(lsn, lsn+0x20))
			stream.Keepalive(t, lsn+0x40, false)
			time.Sleep(100 * time.Millisecond)
		}
		stream.WaitFlushed(t, 0x2000+0x40*100)
		if more := len(r.checkpoints.History()) - n; more != 0 {
			t.Errorf("%d checkpoints without a change, want none", more)
		}
		r.drain()
		if last := r.checkpoints.Saved("main"); !last.Closed {
			t.Errorf("the last checkpoint is %+v, want a closed one", last)
		}
		stream = r.stream()
		if r.checkpoints.Saved("main").Closed {
			t.Error("the checkpoint is closed while a session publishes")
		}
		stream.Send(t, 0x4000, transaction(0x4000, 0x4040, "b")...)
		stream.WaitFlushed(t, 0x4040)
	})
}

func TestStateThatIsDownHoldsTheStartBack(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		r.checkpoints.Fail(errors.New("no state"))
		r.start()
		time.Sleep(20 * time.Second)
		if got := r.publisher.Stats().State; got != "waiting for state" || r.said("no state") != 1 {
			t.Errorf("state %q, log:\n%s", got, r.log)
		}
		if r.topics.Sink() != nil {
			t.Error("a sink was opened without a claim")
		}
		r.checkpoints.Fail(nil)
		for stream := r.stream(); ; stream = r.stream() {
			select {
			case <-stream.Ended(): // of the attempts
				continue
			default:
			}
			stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
			stream.WaitFlushed(t, 0x140)
			break
		}
		r.wantEach("1/100/0 a")
	})
}

func TestPublishingGoesOnWhileTheStateIsDown(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		stream := r.stream()
		r.checkpoints.Fail(errors.New("no state"))
		for i := range 600 {
			lsn := 0x100 + 0x40*uint64(i)
			stream.Send(t, lsn, transaction(lsn, lsn+0x40, "a")...)
			time.Sleep(time.Second)
		}
		stream.WaitFlushed(t, 0x100+0x40*600)
		if n := r.said("the checkpoint cannot be saved"); n != 1 {
			t.Errorf("said %d times, want once", n)
		}
		r.checkpoints.Fail(nil)
		time.Sleep(2 * time.Second)
		if got := r.checkpoints.Saved("main").LSN; got != 0x100+0x40*600 || r.said("checkpoints are saved again") != 1 {
			t.Errorf("saved %X, log:\n%s", got, r.log)
		}
	})
}

func TestPublisherWhoseSourceWasTakenOverEndsItsSession(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		stream := r.stream()
		if _, _, err := r.checkpoints.Claim(t.Context(), "main"); err != nil { // somebody else's
			t.Fatal(err)
		}
		r.server.SetHolder(4711) // who has the slot next
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		<-stream.Ended()
		time.Sleep(5 * time.Second)
		if got := r.publisher.Stats().State; got != "waiting for slot (active for PID 4711)" || r.said("another publisher") == 0 {
			t.Errorf("state %q, log:\n%s", got, r.log)
		}
	})
}

func TestTopicsThatCannotBeReadBackAreWaitedFor(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		r.topics.Fail(errors.New("no broker"))
		r.start()
		time.Sleep(20 * time.Second)
		if got := r.publisher.Stats().State; got != "waiting for topics" || r.said("no broker") != 1 {
			t.Errorf("state %q, log:\n%s", got, r.log)
		}
	})
}

// slowTails takes its time to read back.
type slowTails struct {
	*cdctest.Topics
	takes time.Duration
}

func (s *slowTails) Last(ctx context.Context, source string, topics []string, each func(changefeed.Position) error) (changefeed.Offsets, error) {
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.Topics.Last(ctx, source, topics, each)
}

func TestStatusIsWrittenWhileTopicsAreReadBack(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		r.deps.Tails = &slowTails{r.topics, time.Hour}
		stream := r.stream()
		time.Sleep(10 * time.Minute)
		if n := len(stream.Statuses()); n < 599 || stream.Flushed() != 0 {
			t.Errorf("%d updates in ten minutes, %X confirmed", n, stream.Flushed())
		}
		if got := r.publisher.Stats().State; got != "reading topics back" {
			t.Errorf("state %q", got)
		}
		r.stop() // is heard at once
		synctest.Wait()
		if err := <-r.done; err != nil {
			t.Errorf("Run = %v", err)
		}
		r.publisher = nil
	})
}

// countedParents counts what it is asked, and has every row.
type countedParents struct{ asked []string }

func (c *countedParents) Columns(_ context.Context, _ cdc.Seen, ids, _ []string) ([][]changefeed.Text, error) {
	c.asked = append(c.asked, ids...)
	rows := make([][]changefeed.Text, len(ids))
	for i := range rows {
		rows[i] = []changefeed.Text{}
	}
	return rows, nil
}

func TestSatellitesThatAreInTheTopicsAreNotLookedUp(t *testing.T) {
	resuming(t, func(t *testing.T, r *resumed) {
		parents := &countedParents{}
		orders := r.cfg.Tables[0].Name
		r.cfg.Tables[1] = cdc.Table{Name: cdc.TableName{Schema: "public", Name: "items"}, Parent: orders, DocumentID: []string{"id"}}
		r.deps.Parents = map[cdc.TableName]cdc.ParentLookup{orders: parents}
		line := func(id string) pgoutput.Message {
			m := inserted(id)
			m.Insert.RelationID = 2
			return m
		}
		stream := r.stream()
		stream.Send(t, 0x100, begin(0x100), itemsRelation, line("a"), line("b"), commit(0x100, 0x140))
		stream.WaitFlushed(t, 0x140)
		r.crash()
		r.server.SetConfirmed(0)
		stream = r.stream()
		stream.Send(t, 0x100, begin(0x100), itemsRelation, line("a"), line("b"), commit(0x100, 0x140))
		stream.Send(t, 0x140, begin(0x140), line("c"), commit(0x140, 0x180))
		stream.WaitFlushed(t, 0x180)
		r.wantEach("1/100/0 a", "1/100/1 b", "1/140/0 c")
		if diff := cmp.Diff([]string{"a", "b", "c"}, parents.asked); diff != "" {
			t.Error(diff)
		}
	})
}
