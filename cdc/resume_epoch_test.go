package cdc_test

import (
	"testing"
	"testing/synctest"
	"time"

	"changefeed"
	"changefeed/cdc"
)

// published lets a publisher publish two transactions of a first epoch and saves
// its checkpoint, but for the last transaction.
func (r *resumed) published(t *testing.T) {
	t.Helper()
	stream := r.stream()
	stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
	time.Sleep(1500 * time.Millisecond) // between two looks of the saver
	stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
	synctest.Wait()
	r.wantEach("1/100/0 a", "1/140/0 b")
	r.crash()
	if saved := r.checkpoints.Saved("main"); saved.LSN != 0x140 {
		t.Fatalf("saved %+v, want the first transaction only", saved)
	}
}

func TestEpochsFollowTheLog(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*resumed)
		epoch  string // of the third transaction, and of the second where it comes again
		again  bool
		said   string
	}{
		{"the same server", func(*resumed) {}, "1", false, ""},
		{"another database", func(r *resumed) { r.server.SetSystem("7111111111111111111") }, "2", true, "system identifier"},
		{"a failover without loss", func(r *resumed) { r.server.SetTimeline(2, "1\t0/141\tx\n") }, "1", false, ""},
		{"a failover that lost the second transaction", func(r *resumed) { r.server.SetTimeline(2, "1\t0/140\tx\n") }, "2", true, "has gone back: timeline 2 left timeline 1 at 0/140"},
		{"two failovers, the first with loss", func(r *resumed) { r.server.SetTimeline(3, "1\t0/120\tx\n\n2\t0/900\tx\n") }, "2", true, "has gone back: timeline 3"},
		{"a timeline of other ancestors", func(r *resumed) { r.server.SetTimeline(7, "5\t0/900\tx\n") }, "2", true, "does not descend"},
		{"a timeline without a history", func(r *resumed) { r.server.SetTimeline(2, "") }, "2", true, "history of timeline 2 cannot be read"},
		{"a history that is none", func(r *resumed) { r.server.SetTimeline(2, "1\n") }, "2", true, "history of timeline 2 cannot be read"},
		{"a log that ends too early", func(r *resumed) { r.server.SetLogEnd(0x140) }, "2", true, "has gone back: it ends at 0/140"},
		{"a log that ends after the last change", func(r *resumed) { r.server.SetLogEnd(0x180) }, "1", false, ""},
		{"no checkpoint any more", func(r *resumed) { r.checkpoints.Set("main", nil) }, "2", true, "no checkpoint"},
		{"an old checkpoint", func(r *resumed) {
			old := r.checkpoints.History()[0]
			old.Epoch = 0
			r.checkpoints.Set("main", &old)
		}, "2", true, "out of date"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resuming(t, func(t *testing.T, r *resumed) {
				r.published(t)
				r.server.SetConfirmed(0x140)
				tt.change(r)
				stream := r.stream()
				saved := r.checkpoints.Saved("main")
				if want := uint32(tt.epoch[0] - '0'); saved.Epoch != want {
					t.Errorf("before anything is published the checkpoint is %+v, want epoch %d", saved, want)
				}
				stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
				stream.Send(t, 0x180, transaction(0x180, 0x1c0, "c")...)
				stream.WaitFlushed(t, 0x1c0)
				want := []string{"1/100/0 a", "1/140/0 b"}
				if tt.again {
					want = append(want, tt.epoch+"/140/0 b")
				}
				r.wantEach(append(want, tt.epoch+"/180/0 c")...)
				if tt.said != "" && r.said(tt.said) != 1 || tt.said == "" && r.said("new epoch") != 0 {
					t.Errorf("want %q said, log:\n%s", tt.said, r.log)
				}
				for _, c := range r.everything() {
					if want, _ := changefeed.LogVersion(c.Position.Epoch, c.Position.LSN); c.Version != want {
						t.Errorf("%v has version %d, want %d", c.Position, c.Version, want)
					}
				}
				r.crash()
				r.server.SetLogEnd(0x1000)
				stream = r.stream() // and goes on with it
				stream.Send(t, 0x1c0, transaction(0x1c0, 0x200, "d")...)
				stream.WaitFlushed(t, 0x200)
				if got := r.publisher.Stats().Epoch; got != uint32(tt.epoch[0]-'0') {
					t.Errorf("the next session is in epoch %d", got)
				}
			})
		})
	}
}

// A copy of the database was restored, and written to until its log was longer
// than the first one: nothing but the log itself tells.
func TestLogWithoutWhatTheTopicsHoldBeginsANewEpoch(t *testing.T) {
	for _, tt := range []struct {
		name    string
		closed  bool
		reveals func(*testing.T, *resumed)
	}{
		{"a transaction behind the missing one", false, func(t *testing.T, r *resumed) {
			stream := r.stream()
			stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
			stream.Send(t, 0x150, transaction(0x150, 0x190, "x")...)
			<-stream.Ended()
		}},
		{"a transaction in its place that is shorter", false, func(t *testing.T, r *resumed) {
			stream := r.stream()
			stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
			stream.Send(t, 0x140, begin(0x140), commit(0x140, 0x180))
			<-stream.Ended()
		}},
		{"a keepalive", false, func(t *testing.T, r *resumed) {
			stream := r.stream()
			stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
			stream.Keepalive(t, 0x141, false)
			<-stream.Ended()
		}},
		{"the place of the last acknowledged change", true, func(t *testing.T, r *resumed) {
			stream := r.stream()
			stream.Send(t, 0x110, transaction(0x110, 0x130, "x")...)
			stream.Send(t, 0x150, transaction(0x150, 0x190, "y")...)
			<-stream.Ended()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resuming(t, func(t *testing.T, r *resumed) {
				r.published(t)
				if tt.closed {
					stream := r.stream()
					stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
					synctest.Wait()
					r.drain()
				}
				r.server.SetConfirmed(0x100)
				tt.reveals(t, r)
				if got := r.server.Confirmed(); got != 0x100 {
					t.Errorf("confirmed %X of a log that is another one", got)
				}
				if saved := r.checkpoints.Saved("main"); saved.Epoch != 1 || saved.LSN > 0x180 {
					t.Errorf("saved %+v of a log that is another one", saved)
				}
				stream := r.stream()
				stream.Send(t, 0x110, transaction(0x110, 0x130, "x")...)
				stream.Send(t, 0x150, transaction(0x150, 0x190, "y")...)
				stream.WaitFlushed(t, 0x190)
				var got []string
				for _, c := range r.everything() {
					if c.Position.Epoch == 2 {
						got = append(got, c.Meta.DocumentID)
					}
				}
				if len(got) != 2 {
					t.Errorf("epoch 2 has %q, want x and y\n%s", got, r.log)
				}
			})
		})
	}
}

func TestOtherRoutesPublishWhatFollowsTheCheckpointAgain(t *testing.T) {
	for name, change := range map[string]func(*resumed){
		"routes":     func(r *resumed) { r.cfg.Tables[1].DocumentType = cdc.Value{Column: "kind"} },
		"limits":     func(r *resumed) { r.cfg.PieceDocuments = 3 },
		"partitions": func(r *resumed) { r.topics.AddPartitions(2) },
	} {
		t.Run(name, func(t *testing.T) {
			resuming(t, func(t *testing.T, r *resumed) {
				r.published(t)
				change(r)
				r.server.SetConfirmed(0)
				stream := r.stream()
				if r.said("what positions depend on has changed") != 1 {
					t.Errorf("not said:\n%s", r.log)
				}
				stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
				synctest.Wait()
				r.crash() // before b comes again: what the topics hold of it must not be taken for that
				r.server.SetConfirmed(0)
				stream = r.stream()
				stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
				stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
				stream.WaitFlushed(t, 0x180)
				r.wantEach("1/100/0 a", "1/140/0 b", "1/140/0 b")
				r.crash()
				r.server.SetConfirmed(0) // from now on nothing comes again
				stream = r.stream()
				stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
				stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
				stream.WaitFlushed(t, 0x180)
				r.wantEach("1/100/0 a", "1/140/0 b", "1/140/0 b")
			})
		})
	}
}
