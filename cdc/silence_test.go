package cdc_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"changefeed/cdc/cdctest"
)

// asked returns when the publisher has asked for replies.
func asked(stream *cdctest.Stream) (times []time.Time) {
	for _, status := range stream.Statuses() {
		if status.Reply {
			times = append(times, status.At)
		}
	}
	return times
}

func TestServerThatAnswersIsNotLost(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(asked(stream)); n < 100 || n > 240 {
			t.Errorf("asked %d times in an hour, want once in about a quarter of a minute", n)
		}
		if got := s.publisher.Stats().Sessions; got != 1 {
			t.Errorf("%d sessions, want 1", got)
		}
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		stream.WaitFlushed(t, 0x140)
	})
}

func TestServerThatSendsAllTheTimeIsNotAsked(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.server.SetMute(true, "Client")
		stream := s.streaming()
		for range 100 {
			stream.Keepalive(t, 0x100, false)
			time.Sleep(10 * time.Second)
		}
		if n := len(asked(stream)); n > 0 || s.publisher.Stats().Sessions != 1 {
			t.Errorf("asked %d times, %d sessions", n, s.publisher.Stats().Sessions)
		}
	})
}

func TestSilentConnectionIsLost(t *testing.T) {
	for _, waits := range []string{"Client", "Activity"} {
		t.Run(waits, func(t *testing.T) {
			script(t, nil, func(t *testing.T, s *scripted) {
				stream := s.streaming()
				stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
				s.server.SetMute(true, waits)
				silent := time.Now()
				<-stream.Ended()
				if after := time.Since(silent); after < 27*time.Second || after > 33*time.Second {
					t.Errorf("lost after %s, want the timeout of 30s", after)
				}
				if times := asked(stream); len(times) != 1 || times[0].Sub(silent) < 12*time.Second || times[0].Sub(silent) > 18*time.Second {
					t.Errorf("asked at %v, want once after 15s from %v", times, silent)
				}
				again := s.nextStream()
				again.Send(t, 0x140, transaction(0x140, 0x180, "b")...)
				again.WaitFlushed(t, 0x180)
				s.wantIDs("a", "b")
				if s.said("nothing has come for 30s, and no answer") != 1 {
					t.Errorf("not said once:\n%s", s.log)
				}
			})
		})
	}
}

func TestSilentConnectionIsLostWhereTheServerCannotBeReached(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		s.server.SetMute(true, "IO")
		s.server.SetUnreachable(errors.New("no route to host"))
		<-stream.Ended()
		s.wantState("waiting for server")
		s.server.SetUnreachable(nil)
		s.nextStream()
		if s.said("the server cannot be asked why") != 1 {
			t.Errorf("not said once:\n%s", s.log)
		}
	})
}

// A server that decodes a large transaction of which nothing is published says
// nothing and hears nothing.
func TestServerAtWorkOnItsLogIsWaitedFor(t *testing.T) {
	for _, waits := range []string{"", "IO", "LWLock"} {
		t.Run("waits for "+waits, func(t *testing.T) {
			script(t, nil, func(t *testing.T, s *scripted) {
				stream := s.streaming()
				s.server.SetMute(true, waits)
				time.Sleep(20 * time.Minute)
				stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
				stream.WaitFlushed(t, 0x140)
				if sessions := s.publisher.Stats().Sessions; sessions != 1 || s.said("server sends nothing while it works") != 1 {
					t.Errorf("%d sessions, want 1, and the reason once:\n%s", sessions, s.log)
				}
				s.server.SetMute(true, "Client")
				<-stream.Ended() // a server that is done and does not answer is lost
			})
		})
	}
}
