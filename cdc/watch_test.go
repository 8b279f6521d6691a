package cdc_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"changefeed/cdc"
	"changefeed/cdc/cdctest"
)

// slotRow is an answer about the slot: its restart, confirmed and end positions.
func slotRow(status, safe, restart, confirmed, end, limit string) []string {
	return []string{status, safe, restart, confirmed, end, limit, ""}
}

// Each condition is said once when it begins and once when it has ended, however
// long it lasts.
func TestConditionsOfTheSlotAreSaidWhenTheyBeginAndEnd(t *testing.T) {
	good := slotRow("reserved", "", "0/1000", "0/1000", "0/1000", "-1")
	for _, tt := range []struct {
		name         string
		bad          []string
		begins, ends string
		remedy       string
	}{
		{
			"retained", slotRow("extended", "", "0/1000", "0/2000", "0/50000000", "-1"),
			"the slot keeps much", "the slot keeps less", "ALTER SYSTEM SET max_slot_wal_keep_size = '10239MB'; SELECT pg_reload_conf()",
		},
		{
			"near its limit", slotRow("extended", "1048576", "0/1000", "0/1000", "0/1000", "10"),
			"the slot is near its limit", "the slot is far from its limit", "ALTER SYSTEM SET max_slot_wal_keep_size = '20MB'; SELECT pg_reload_conf()",
		},
		{
			"over its limit", slotRow("unreserved", "-1048576", "0/1000", "0/1000", "0/1000", "10"),
			"the slot is about to be lost", "the slot is within max_slot_wal_keep_size again", "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf()",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script(t, nil, func(t *testing.T, s *scripted) {
				s.server.SetAnswer(cdctest.OfSlot, good)
				s.streaming()
				for range 2 {
					time.Sleep(time.Minute)
					synctest.Wait()
					if strings.Contains(s.log.String(), "level=WARN") {
						t.Fatalf("a sound slot is warned of:\n%s", s.log)
					}
					s.log.clear()
					s.server.SetAnswer(cdctest.OfSlot, tt.bad)
					time.Sleep(time.Hour)
					synctest.Wait()
					if n := s.said(tt.begins); n != 1 || s.said(tt.remedy) != 1 || s.said(tt.ends) != 0 {
						t.Fatalf("said %d times, want once, with %q:\n%s", n, tt.remedy, s.log)
					}
					s.server.SetAnswer(cdctest.OfSlot, good)
					time.Sleep(time.Hour)
					synctest.Wait()
					if s.said(tt.begins) != 1 || s.said(tt.ends) != 1 {
						t.Fatalf("its end is not said once:\n%s", s.log)
					}
					s.log.clear()
				}
			})
		})
	}
}

// A value that goes to and fro about its threshold is one condition.
func TestConditionDoesNotFlutter(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.streaming()
		for range 20 {
			for _, end := range []string{"0/40002000", "0/3F000000"} {
				s.server.SetAnswer(cdctest.OfSlot, slotRow("reserved", "", "0/1000", "0/1000", end, "-1"))
				time.Sleep(cdc.DefaultWatchInterval)
			}
		}
		synctest.Wait()
		if s.said("the slot keeps much") != 1 || s.said("the slot keeps less") != 0 {
			t.Error(s.log)
		}
	})
}

func TestOldTransactionThatHoldsTheLogIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		oldest []string
		want   []string
	}{
		{"backend", []string{"publisher", "f", "4711", "", "app", "7200"}, []string{"pid=4711", "age=2h0m0s", "SELECT pg_terminate_backend(4711)"}},
		{"prepared", []string{"publisher", "f", "", "it's", "app", "7200"}, []string{"prepared=it's", "in database app: COMMIT PREPARED 'it''s', or ROLLBACK PREPARED 'it''s'"}},
		{"of an age that is hidden", []string{"publisher", "t", "4711", "", "app", "0"}, []string{"pid = 4711", "GRANT pg_monitor TO publisher"}},
		{"a young one is not the cause", []string{"publisher", "f", "4711", "", "app", "5"}, nil},
		{"none", []string{"publisher", "f", "", "", "", "0"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script(t, nil, func(t *testing.T, s *scripted) {
				s.server.SetAnswer(cdctest.OfOldest, tt.oldest)
				s.server.SetAnswer(cdctest.OfSlot, slotRow("reserved", "", "0/1000", "0/2000", "0/3000", "-1"))
				s.streaming()
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if s.said("level=WARN") != 0 {
					t.Fatalf("an idle slot is said to be held back:\n%s", s.log)
				}
				s.server.SetAnswer(cdctest.OfSlot, slotRow("reserved", "", "0/1000", "0/6000000", "0/6000100", "-1"))
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				want := 1
				if tt.want == nil {
					want = 0
				}
				if s.said("level=WARN") != want {
					t.Errorf("want %d warnings:\n%s", want, s.log)
				}
				for _, text := range tt.want {
					if s.said(text) != 1 {
						t.Errorf("not said: %s\n%s", text, s.log)
					}
				}
				s.server.SetAnswer(cdctest.OfSlot, slotRow("reserved", "", "0/5000000", "0/6000000", "0/6000100", "-1"))
				time.Sleep(time.Minute)
				synctest.Wait()
				if s.said("that old transaction") != want {
					t.Errorf("its end is not said:\n%s", s.log)
				}
			})
		})
	}
}

func TestWatchingNeverEndsTheSession(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		stream := s.streaming()
		s.server.SetRejection("53300", "too many connections")
		time.Sleep(time.Hour)
		stream.Send(t, 0x100, transaction(0x100, 0x140, "a")...)
		s.wantIDs("a")
		if s.said("cannot be watched") != 1 {
			t.Errorf("said not once:\n%s", s.log)
		}
		s.server.SetRejection("", "")
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.said("is watched again") != 1 {
			t.Errorf("said not once:\n%s", s.log)
		}
		s.server.SetAnswer(cdctest.OfSlot, []string{"what is this"})
		time.Sleep(time.Hour)
		s.wantState("streaming")
		if s.said("cannot be watched") != 2 {
			t.Errorf("said not once:\n%s", s.log)
		}
	})
}

// What lasts from one session to the next is not said again.
func TestConditionsOutliveSessions(t *testing.T) {
	script(t, nil, func(t *testing.T, s *scripted) {
		s.server.SetAnswer(cdctest.OfUnpublished, []string{"public", "orders", "parts", "orders_7"})
		s.streaming()
		for range 3 {
			time.Sleep(time.Minute)
			s.server.CutAll()
			s.nextStream()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.said("parts.orders_7") != 1 || s.said("changefeed backfill public.orders") != 1 {
			t.Errorf("said not once:\n%s", s.log)
		}
	})
}
