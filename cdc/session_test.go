package cdc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cdc/cdctest"
	"changefeed/cdc/internal/pgoutput"
)

func TestStatusIsWrittenThroughAnHourOfSilence(t *testing.T) {
	quiet := func(cfg *cdc.Config, _ *cdc.Deps) { cfg.SilenceTimeout = 3 * time.Hour } // until it asks
	script(t, quiet, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		time.Sleep(time.Hour)
		synctest.Wait()
		statuses := stream.Statuses()
		if len(statuses) < 3599 || len(statuses) > 3600 {
			t.Errorf("%d updates in an hour, want one a second", len(statuses))
		}
		for _, gap := range intervals(statuses) {
			if gap != time.Second {
				t.Fatalf("%s between two updates", gap)
			}
		}
		for _, status := range statuses {
			if status.Flushed != 0 || status.Applied != 0 || status.Reply {
				t.Fatalf("an update says %+v", status)
			}
		}
		s.wantState("streaming")
	})
}

func TestMessagesAreAskedForWhereTheServerSendsThem(t *testing.T) {
	for version, asked := range map[string]bool{"13.22": false, "14.0": true, "18beta1": true, "9.6.24": false, "devel": false} {
		script(t, nil, func(t *testing.T, s *scripted) {
			s.server.SetVersion(version)
			if stream := s.streaming(); strings.Contains(stream.Command, "messages 'true'") != asked {
				t.Errorf("version %s: %s", version, stream.Command)
			}
		})
	}
}

func TestReplicationStartsWhereTheServerSaysAndPinsTexts(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		want := `START_REPLICATION SLOT changefeed_main LOGICAL 0/0 (proto_version '1', publication_names '"changefeed_main"', messages 'true')`
		if strings.TrimSpace(stream.Command) != want {
			t.Errorf("command %q, want %q", stream.Command, want)
		}
		for name, want := range map[string]string{
			"application_name": "changefeed main", "replication": "database", "client_encoding": "UTF8",
			"DateStyle": "ISO, YMD", "TimeZone": "UTC", "extra_float_digits": "1",
			"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "3", "tcp_keepalives_count": "3", "tcp_user_timeout": "",
		} {
			if got := s.server.Startup()[name]; got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
}

func TestOnlyKeepalivesThatAskAreAnswered(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		time.Sleep(1500 * time.Millisecond)
		for range 1000 {
			stream.Keepalive(t, 0x500, false)
		}
		synctest.Wait()
		if got := len(stream.Statuses()); got != 1 {
			t.Errorf("%d updates, want the one of the timer", got)
		}
		stream.Keepalive(t, 0x600, true)
		stream.WaitFlushed(t, 0x600)
		if at := stream.Statuses()[1].At.Sub(stream.Statuses()[0].At); at != 500*time.Millisecond {
			t.Errorf("answered %s after the timer's update, want 500ms", at)
		}
	})
}

func TestServerThatAsksWithoutEndIsNotAnsweredWithoutEnd(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.sinks.held = true
		stream := s.streaming()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		for range 1000 { // as a server that waits to shut down
			stream.Keepalive(t, 0x140, true)
			time.Sleep(time.Millisecond)
		}
		if got := len(stream.Statuses()); got < 40 || got > 52 {
			t.Errorf("%d updates in a second, want about one in 20 ms", got)
		}
		time.Sleep(150 * time.Millisecond) // between two updates of the timer
		s.sinks.last().Release()
		released := time.Now()
		stream.WaitFlushed(t, 0x140)
		if waited := time.Since(released); waited > 0 {
			t.Errorf("confirmed after %s, want at once: the server has asked", waited)
		}
	})
}

func TestKeepaliveIsConfirmedOnlyBehindWhatCameBefore(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.sinks.held = true
		stream := s.streaming()
		stream.Keepalive(t, 0x90, false)
		stream.WaitFlushed(t, 0x90) // idle

		stream.Send(t, 0x100, begin(0x300), ordersRelation, inserted("a"))
		stream.Keepalive(t, 0x280, false) // in a transaction
		stream.Send(t, 0x340, commit(0x300, 0x340))
		stream.Keepalive(t, 0x400, true) // behind one that is not acknowledged
		time.Sleep(10 * time.Second)
		if got := stream.Flushed(); got != 0x90 {
			t.Fatalf("confirmed %X with a transaction open or not acknowledged, want 90", got)
		}
		s.sinks.last().Release()
		stream.WaitFlushed(t, 0x400)
	})
}

func TestExactlyTheEndOfTheLastAcknowledgedCommitIsConfirmed(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.sinks.held = true
		stream := s.streaming()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		synctest.Wait()
		stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...) // begins where the first ends
		synctest.Wait()
		stream.Send(t, 0x180, transaction(0x180, 0x1c0, "c")...)
		time.Sleep(time.Minute)
		if got, n := stream.Flushed(), len(stream.Statuses()); got != 0 || n < 59 {
			t.Fatalf("confirmed %X with %d updates while the sink held, want 0 with 60", got, n)
		}
		if got := stream.Statuses()[50].Received; got != 0x180 {
			t.Errorf("received %X, want 180", got)
		}
		s.wantIDs("a", "b", "c")
		sink := s.sinks.last()
		sink.Acknowledge(2)
		time.Sleep(2 * time.Second)
		if got := stream.Flushed(); got != 0 {
			t.Errorf("confirmed %X with the first transaction open", got)
		}
		sink.Acknowledge(1)
		time.Sleep(2 * time.Second)
		if got := stream.Flushed(); got != 0x180 {
			t.Errorf("confirmed %X, want 180, the end of the second", got)
		}
	})
}

func TestBlockedSinkDoesNotStopStatus(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		sink := s.sinks.last()
		sink.block = make(chan struct{})
		sent := make(chan int)
		go func() { // until far more than the queue holds has been taken
			const transactions, bytes = 40, 1 << 18
			for i := range transactions {
				lsn := uint64(0x1000 + 0x100*i)
				stream.Send(t, lsn, transaction(lsn, lsn+0x40, fmt.Sprintf("%d%s", i, strings.Repeat("x", bytes)))...)
			}
			sent <- transactions
		}()
		time.Sleep(time.Hour)
		select {
		case <-sent:
			t.Fatal("10 MiB were read while the sink took nothing")
		default:
		}
		if got := len(stream.Statuses()); got < 3599 {
			t.Errorf("%d updates in an hour", got)
		}
		close(sink.block)
		<-sent
		stream.WaitFlushed(t, 0x1000+0x100*39+0x40)
		if got := len(s.sinks.changes()); got != 40 {
			t.Errorf("%d changes, want 40", got)
		}
	})
}

func TestFailedSinkBeginsAgainFromWhatTheServerWasTold(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		stream.WaitFlushed(t, 0x140)
		for range 20 { // a topic that is not there, say: it fails whenever something is published
			first := s.sinks.last()
			first.Hold()
			stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
			synctest.Wait()
			first.Fail(errors.New("topic is not there"))
			<-stream.Ended()
			s.wantState("waiting for sink")
			<-first.closed
			if stream.Left() || stream.Flushed() > 0x140 {
				t.Fatalf("after a failure left %v, confirmed %X", stream.Left(), stream.Flushed())
			}
			stream = s.nextStream()
		}
		if n := s.said("topic is not there"); n != 1 {
			t.Errorf("the failure is said %d times, want once:\n%s", n, s.log)
		}
		stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
		stream.WaitFlushed(t, 0x180)
		s.wantState("streaming")
		if n := s.said("publishing goes on"); n != 1 {
			t.Errorf("the end of the failure is said %d times, want once:\n%s", n, s.log)
		}
	})
}

func TestSinkIsClosedAtOnceWhenTheConnectionIsLost(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		sink := s.sinks.last()
		sink.Hold()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		synctest.Wait()
		lost := time.Now()
		stream.Cut()
		<-sink.closed
		if waited := time.Since(lost); waited != 0 {
			t.Errorf("closed after %s", waited)
		}
		s.server.SetUnreachable(errors.New("connection refused"))
		time.Sleep(time.Hour) // without end
		s.wantState("waiting for server")
		if n := s.server.Attempts(); n < 1000 || n > 1800 {
			t.Errorf("%d attempts in an hour, want one in 2 to 4 seconds", n)
		}
		if n := s.said("WARN"); n != 1 {
			t.Errorf("%d warnings, want 1:\n%s", n, s.log)
		}
		s.server.SetUnreachable(nil)
		stream = s.nextStream()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		stream.WaitFlushed(t, 0x140)
		s.wantIDs("a", "a")
	})
}

func TestDrainWaitsForTheSinkAndConfirms(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.sinks.held = true
		stream := s.streaming()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a", "b")...)
		stream.Send(t, 0x200, begin(0x300), inserted("c")) // its commit is not read any more
		synctest.Wait()
		s.stop()
		time.Sleep(20 * time.Second)
		s.wantState("draining")
		if n := len(stream.Statuses()); n < 19 {
			t.Errorf("%d updates in 20 seconds of draining", n)
		}
		s.sinks.last().Release()
		s.ends()
		if stream.Flushed() != 0x140 || !stream.Left() {
			t.Errorf("confirmed %X, left %v; want 140, true", stream.Flushed(), stream.Left())
		}
		s.wantIDs("a", "b")
		s.wantState("stopped")
	})
}

func TestDrainThatTakesTooLongSaysWhatIsLeft(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		synctest.Wait()
		s.sinks.last().Hold()
		stream.Send(t, 0x140, transaction(0x140, 0x180, "b", "c")...)
		synctest.Wait()
		began := time.Now()
		s.stop()
		s.fails(cdc.ErrDrain, "2 changes", "30s")
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("took %s, want 30s", took)
		}
		if stream.Flushed() != 0x140 {
			t.Errorf("confirmed %X, want 140: what was acknowledged", stream.Flushed())
		}
	})
}

func TestStandByTakesOverWhenTheSlotIsFree(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.server.SetHolder(4711)
		s.run()
		time.Sleep(time.Hour) // longer than any startup timeout
		s.wantState("waiting for slot (active for PID 4711)")
		if n := s.said("4711"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, s.log)
		}
		freed := time.Now()
		s.server.SetHolder(0)
		s.nextStream()
		if took := time.Since(freed); took > 400*time.Millisecond {
			t.Errorf("took over after %s", took)
		}
		s.wantState("streaming")
		if n := s.server.Attempts(); n != 1 {
			t.Errorf("%d connections, want one for all attempts", n)
		}
		if n := s.server.Refusals(); n != 1 {
			t.Errorf("%d refusals in the server's log, want one: a stand-by only looks", n)
		}
	})
}

func TestStandByGoesOnThroughARestartOfTheServer(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.server.SetHolder(4711)
		s.run()
		time.Sleep(2 * time.Minute) // longer than the startup timeout
		s.wantState("waiting for slot (active for PID 4711)")
		s.server.SetUnreachable(errors.New("connection refused"))
		s.server.CutAll()
		time.Sleep(10 * time.Minute)
		s.wantState("waiting for server")
		s.server.SetUnreachable(nil)
		time.Sleep(10 * time.Second)
		s.wantState("waiting for slot (active for PID 4711)")
		s.server.SetHolder(0)
		s.nextStream()
		s.wantState("streaming")
	})
}

func TestStopEndsAPublisherThatWaits(t *testing.T) {
	for name, hinder := range map[string]func(*scripted){
		"for the slot":   func(s *scripted) { s.server.SetHolder(4711) },
		"for the server": func(s *scripted) { s.server.SetUnreachable(errors.New("connection refused")) },
	} {
		t.Run(name, func(t *testing.T) {
			script(t, nil, func(t *testing.T, s *scripted) {
				hinder(s)
				s.run()
				time.Sleep(10 * time.Second)
				s.stop()
				s.ends()
			})
		})
	}
}

func TestNoWaitRefusesASlotThatIsInUse(t *testing.T) {
	script(t, func(cfg *cdc.Config, _ *cdc.Deps) { cfg.NoWait = true }, func(t *testing.T, s *scripted) {
		s.server.SetHolder(4711)
		s.run()
		s.fails(cdc.ErrSlotInUse, "PID 4711")
	})
}

func TestUnreachableServerIsWaitedForAtTheStart(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.server.SetUnreachable(errors.New("connection refused"))
		began := time.Now()
		s.run()
		time.Sleep(5 * time.Second)
		s.wantState("waiting for server")
		if s.said("connection refused") != 1 {
			t.Errorf("not said once within 5 seconds:\n%s", s.log)
		}
		s.fails(cdc.ErrUnreachable, "connection refused", "1m0s")
		if took := time.Since(began); took != time.Minute {
			t.Errorf("gave up after %s", took)
		}
	})
	script(t, nil, func(t *testing.T, s *scripted) {
		s.server.SetRejection("57P03", "the database system is starting up")
		s.run()
		time.Sleep(50 * time.Second)
		s.server.SetRejection("", "")
		s.nextStream()
	})
}

func TestWhatAPersonHasToMendEndsThePublisherAtOnce(t *testing.T) {
	tests := []struct {
		name   string
		hinder func(*scripted)
		want   error
		words  []string
	}{
		{"wrong password", func(s *scripted) { s.server.SetRejection("28P01", "password authentication failed") }, nil, []string{"28P01", "check the user and the password"}},
		{"not a replication role", func(s *scripted) { s.server.SetRejection("42501", "must be replication role") }, nil, []string{"ALTER ROLE … REPLICATION"}},
		{"no slot", func(s *scripted) { s.server.DropSlot() }, cdc.ErrSlotMissing, []string{"changefeed init", "SET id = id"}},
		{"no publication", func(s *scripted) { s.server.SetPublications("other") }, cdc.ErrPublicationMissing, []string{"changefeed_main", "changefeed init"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			script(t, nil, func(t *testing.T, s *scripted) {
				tt.hinder(s)
				began := time.Now()
				s.run()
				s.fails(tt.want, tt.words...)
				if took := time.Since(began); took != 0 {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestStreamThatCannotBeTrustedEndsThePublisher(t *testing.T) {
	for _, tt := range []struct {
		name  string
		send  func(*scripted, *cdctest.Stream)
		want  error
		words []string
	}{
		{"a message that cannot be decoded", func(s *scripted, st *cdctest.Stream) { st.SendRaw(t, 0x150, []byte("?")) }, cdc.ErrProtocol, []string{"0/150", "decode pgoutput"}},
		{"bytes that are no message", func(_ *scripted, st *cdctest.Stream) { st.SendBytes(t, []byte("?\x00\x00\x00\x00")) }, cdc.ErrProtocol, nil},
		{"a frame that is none", func(s *scripted, st *cdctest.Stream) { st.SendFrame(t, []byte("w")) }, cdc.ErrProtocol, nil},
		{"a missing publication", func(s *scripted, st *cdctest.Stream) {
			st.Fail(t, "42704", `publication "changefeed_main" does not exist`)
		}, cdc.ErrPublicationMissing, []string{"changefeed init"}},
		{"a publication that is left out", func(s *scripted, st *cdctest.Stream) {
			st.Notice(t, "55000", `skipped loading publication "changefeed_main"`)
		}, cdc.ErrPublicationMissing, []string{"skipped"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script(t, nil, func(t *testing.T, s *scripted) {
				st := s.streaming()
				st.Send(t, 0x100, begin(0x140), ordersRelation, inserted("a"))
				tt.send(s, st)
				s.fails(tt.want, tt.words...)
				if st.Flushed() != 0 {
					t.Errorf("confirmed %X", st.Flushed())
				}
			})
		})
	}
}

func TestWhatComesBeforeAnUnreadableMessageIsConfirmed(t *testing.T) {
	for _, tt := range []struct {
		name string
		send func(*cdctest.Stream)
		want error
		word string
	}{
		{"a message that cannot be decoded", func(st *cdctest.Stream) { st.SendRaw(t, 0x150, []byte("?")) }, cdc.ErrProtocol, "0/150"},
		{"a frame that is none", func(st *cdctest.Stream) { st.SendFrame(t, []byte("w")) }, cdc.ErrProtocol, "frame"},
		{"an unexpected message", func(st *cdctest.Stream) { st.SendBytes(t, []byte("n\x00\x00\x00\x04")) }, cdc.ErrProtocol, "message 'n'"},
		{"bytes that are no message", func(st *cdctest.Stream) { st.SendBytes(t, []byte("?\x00\x00\x00\x04")) }, cdc.ErrProtocol, ""},
		{"a publication that is left out", func(st *cdctest.Stream) {
			st.Notice(t, "55000", `skipped loading publication "changefeed_main"`)
		}, cdc.ErrPublicationMissing, "pg_drop_replication_slot('changefeed_main')"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script(t, nil, func(t *testing.T, s *scripted) {
				s.sinks.held = true
				stream := s.streaming()
				stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
				tt.send(stream)
				time.Sleep(5 * time.Second)
				s.sinks.last().Release()
				s.fails(tt.want, tt.word)
				if stream.Flushed() != 0x140 || !stream.Left() {
					t.Errorf("confirmed %X, left %v; want 140, true", stream.Flushed(), stream.Left())
				}
			})
		})
	}
}

func TestSinkThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	var refusals atomic.Int32
	refusals.Store(5)
	change := func(_ *cdc.Config, deps *cdc.Deps) {
		open := deps.OpenSink
		deps.OpenSink = func(acked changefeed.Acked) (cdc.Sink, error) {
			if refusals.Add(-1) >= 0 {
				return nil, errors.New("no broker")
			}
			return open(acked)
		}
	}
	script(t, change, func(t *testing.T, s *scripted) {
		s.run()
		for range 5 {
			<-s.server.Stream(t).Ended()
		}
		stream := s.nextStream()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		stream.WaitFlushed(t, 0x140)
		if n := s.said("no broker"); n != 1 {
			t.Errorf("said %d times, want once:\n%s", n, s.log)
		}
	})
}

// slowParents fails until it is told to answer.
type slowParents struct {
	answers atomic.Bool
	err     atomic.Pointer[pgconn.PgError] // nil: one that passes
}

func (p *slowParents) Columns(_ context.Context, _ cdc.Seen, ids, _ []string) ([][]changefeed.Text, error) {
	switch err := p.err.Load(); {
	case p.answers.Load():
	case err != nil:
		return nil, err
	default:
		return nil, errors.New("too many connections")
	}
	rows := make([][]changefeed.Text, len(ids))
	for i := range rows {
		rows[i] = []changefeed.Text{}
	}
	return rows, nil
}

func TestLookupThatFailsIsRepeatedWhileStatusGoesOn(t *testing.T) {
	parents := &slowParents{}
	change := func(cfg *cdc.Config, deps *cdc.Deps) {
		orders := cfg.Tables[0].Name
		cfg.Tables = append(cfg.Tables, cdc.Table{Name: cdc.TableName{Schema: "public", Name: "lines"}, Parent: orders, DocumentID: []string{"order_id"}})
		deps.Parents = map[cdc.TableName]cdc.ParentLookup{orders: parents}
	}
	script(t, change, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		lines := ordersRelation
		lines.Relation.Name, lines.Relation.Columns = "lines", []pgoutput.Column{{Name: "order_id", Key: true}}
		stream.Send(t, 0x100, begin(0x100), lines, inserted("a"), commit(0x100, 0x140))
		stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
		time.Sleep(time.Minute)
		s.wantIDs()
		if stream.Flushed() != 0 || len(stream.Statuses()) < 59 || s.said("too many connections") != 2 {
			t.Errorf("confirmed %X, %d updates, log:\n%s", stream.Flushed(), len(stream.Statuses()), s.log)
		}
		s.wantState("waiting for parents of public.orders")
		if s.said("remedy=") != 0 {
			t.Errorf("a remedy for what passes:\n%s", s.log)
		}
		parents.err.Store(&pgconn.PgError{Severity: "ERROR", Code: "42501", Message: "permission denied for table orders"})
		time.Sleep(time.Minute)
		if s.said("permission denied") != 2 || s.said("GRANT SELECT (id) ON public.orders TO") != 2 {
			t.Errorf("want the error twice a minute, with its remedy, log:\n%s", s.log)
		}
		parents.answers.Store(true)
		stream.WaitFlushed(t, 0x180)
		s.wantIDs("a", "b")
		s.wantState("streaming")
		if s.said("parents are looked up again") != 1 {
			t.Errorf("the end is not said once:\n%s", s.log)
		}
	})
}

func TestTransactionIDsAreRightAfterALongSilence(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		stream.WaitFlushed(t, 0x140)
		time.Sleep(2 * time.Hour)
		s.server.SetNextXID(9<<32 + 100)
		stream.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
		stream.WaitFlushed(t, 0x180)
		changes := s.sinks.changes()
		if changes[0].XID != 1<<32+7 || changes[1].XID != 9<<32+7 {
			t.Errorf("xids %d and %d, want %d and %d", changes[0].XID, changes[1].XID, uint64(1<<32+7), uint64(9<<32+7))
		}
	})
}
