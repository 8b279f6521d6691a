package cdc

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

// disorderlySink acknowledges its batches in any order and reports the floor.
type disorderlySink struct {
	acked changefeed.Acked
	open  []uint64          // sequence numbers, ascending
	seqs  map[uint64]uint64 // by ordinal and LSN of the change, see key
	done  map[uint64]bool
	last  uint64
}

func key(lsn, ordinal uint64) uint64 { return lsn<<20 | ordinal }

func (s *disorderlySink) Publish(_ context.Context, seq uint64, changes []changefeed.Change) error {
	s.open, s.last = append(s.open, seq), seq
	for i := range changes {
		s.seqs[key(changes[i].Position.LSN, changes[i].Position.Ordinal)] = seq
	}
	return nil
}

func (s *disorderlySink) acknowledge(seq uint64) {
	s.done[seq] = true
	n := 0
	for n < len(s.open) && s.done[s.open[n]] {
		n++
	}
	if n > 0 {
		floor := s.open[n-1]
		s.open = s.open[n:]
		s.acked(floor, nil)
	}
}

// Whatever the order in which rows, commits and keepalives are read, batches are
// published and the broker acknowledges: what is confirmed is the end of a commit
// or a keepalive outside a transaction, and every change before it is
// acknowledged. When nothing is pending and no transaction is open, it is all.
func TestOnlyWhatIsAcknowledgedIsConfirmed(test *testing.T) {
	rapid.Check(test, func(t *rapid.T) {
		cfg := testConfig()
		cfg.PieceDocuments = 4
		p := newPipeline(test, cfg, &fakeParents{rows: map[string][]changefeed.Text{"1": make([]changefeed.Text, 3)}})
		sink := &disorderlySink{seqs: make(map[uint64]uint64), done: make(map[uint64]bool)}
		sink.acked = func(floor uint64, _ error) { p.out.window.acknowledge(floor) }
		p.out.sink, p.out.limit = sink, 2
		_ = p.take(announcements()...)

		lsn := uint64(1000) // of the log
		marks := map[uint64]bool{0: true}
		var lastMark uint64
		mark := func(at uint64) { marks[at], lastMark = true, at }
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				if p.open() {
					t.Skip()
				}
				lsn += rapid.Uint64Range(0, 50).Draw(t, "gap")
				_ = p.take(pgoutput.Message{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: lsn, XID: 9}})
			},
			"row": func(t *rapid.T) {
				if !p.open() {
					t.Skip()
				}
				id := fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "id"))
				_ = p.take(rapid.SampledFrom([]pgoutput.Message{
					insert(ordersID, id, "x", "1", null), insert(linesID, "1", id), insert(auditID, id, id), insert(strangerID, id),
				}).Draw(t, "row"))
			},
			"commit": func(t *rapid.T) {
				if !p.open() {
					t.Skip()
				}
				start := p.tx.lsn
				lsn = start + 40
				_ = p.take(pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{CommitLSN: start, EndLSN: lsn}})
				mark(lsn)
			},
			"keepalive": func(t *rapid.T) {
				// As the session does it; in a transaction its end is before that of the commit.
				lsn += rapid.Uint64Range(0, 10).Draw(t, "bytes")
				if !p.open() {
					p.queue.mark(lsn)
					mark(lsn)
				}
			},
			"publish": func(t *rapid.T) {
				if len(p.queue.pending.documents)+len(p.queue.pending.marks) == 0 {
					t.Skip()
				}
				if _, err := p.queue.take(context.Background(), &p.out.batch); err != nil {
					t.Fatal(err)
				}
				if err := p.out.publish(context.Background()); err != nil {
					t.Fatal(err)
				}
			},
			"acknowledge": func(t *rapid.T) {
				if len(sink.open) == 0 {
					t.Skip()
				}
				sink.acknowledge(rapid.SampledFrom(sink.open).Draw(t, "batch"))
			},
			"": func(t *rapid.T) {
				if !marks[p.flush] {
					t.Fatalf("confirmed %d, which is no end of a commit nor of a keepalive outside a transaction", p.flush)
				}
				for k, seq := range sink.seqs {
					if at := k >> 20; at < p.flush && len(sink.open) > 0 && seq >= sink.open[0] {
						t.Fatalf("confirmed %d, but a change at %d is not acknowledged", p.flush, at)
					}
				}
				pending := len(p.queue.pending.documents)+len(p.queue.pending.marks) > 0
				if !p.open() && !pending && len(sink.open) == 0 && p.flush != lastMark {
					t.Fatalf("nothing is pending and %d is confirmed, want %d", p.flush, lastMark)
				}
			},
		})
	})
}
