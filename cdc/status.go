package cdc

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"changefeed/cdc/internal/pgoutput"
)

const (
	// statusGap is the least time between two updates, but for the last one: a
	// server that shuts down asks again as soon as it is answered.
	statusGap = 20 * time.Millisecond
	// statusWrite is how long the server may take to accept the few bytes of an
	// update before the connection counts as lost.
	statusWrite = 10 * time.Second
)

// statusWriter tells the server how far its log has been received and may be
// confirmed: on a timer, when the server asks, and once more when that which it
// asked about has been acknowledged. It alone writes to the connection, and
// waits for nothing else.
type statusWriter struct {
	conn     net.Conn
	interval time.Duration
	counters *counters
	progress func() // called after the first update that confirmed something

	received atomic.Uint64 // the highest position the server has sent
	flush    atomic.Uint64 // the window's
	asked    atomic.Uint64 // the position in the last keepalive that asked, 0 once it is confirmed
	wanted   atomic.Bool   // the next update asks for a reply
	wake     chan struct{} // capacity 1
	stop     chan struct{} // closed by finish

	confirmed uint64 // flush as last written; of the goroutine that writes
}

func newStatusWriter(conn net.Conn, interval time.Duration, c *counters) *statusWriter {
	return &statusWriter{
		conn: conn, interval: interval, counters: c,
		wake: make(chan struct{}, 1),
		stop: make(chan struct{}),
	}
}

// receive notes a position that the server has sent.
func (w *statusWriter) receive(lsn uint64) {
	raise(&w.received, lsn)
	raise(&w.counters.receivedLSN, lsn)
}

// ask notes that the server wants an answer.
func (w *statusWriter) ask(lsn uint64) {
	w.asked.Store(lsn)
	notify(w.wake)
}

// request asks the server for a keepalive.
func (w *statusWriter) request() {
	w.wanted.Store(true)
	notify(w.wake)
}

// moved takes the window's new LSN.
func (w *statusWriter) moved(lsn uint64) {
	w.flush.Store(lsn)
	if w.asked.Load() != 0 {
		notify(w.wake)
	}
}

// run writes until ctx ends or finish is called. After that its caller may write.
func (w *statusWriter) run(ctx context.Context) error {
	ticker := time.NewTicker(w.interval)
	defer ticker.Stop()
	var written time.Time
	for {
		select {
		case <-ticker.C:
		case <-w.wake:
			if err := w.keepGap(ctx, written); err != nil {
				return err
			}
		case <-w.stop:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := w.write(); err != nil {
			return err
		}
		written = time.Now()
	}
}

func (w *statusWriter) keepGap(ctx context.Context, written time.Time) error {
	if gap := statusGap - time.Since(written); gap > 0 {
		return sleep(ctx, gap)
	}
	return nil
}

// finish ends run. Call it once.
func (w *statusWriter) finish() { close(w.stop) }

// write writes one update.
func (w *statusWriter) write() error {
	asked, flush := w.asked.Load(), w.flush.Load()
	message := appendStatus(nil, max(w.received.Load(), flush), flush, time.Now(), w.wanted.Swap(false))
	if err := w.conn.SetWriteDeadline(time.Now().Add(statusWrite)); err != nil {
		return serverLost(fmt.Errorf("write status: %w", err))
	}
	if _, err := w.conn.Write(message); err != nil {
		return serverLost(fmt.Errorf("write status: %w", err))
	}
	if flush >= asked {
		w.asked.CompareAndSwap(asked, 0)
	}
	raise(&w.counters.flushedLSN, flush)
	if w.confirmed == 0 && flush > 0 {
		w.progress()
	}
	w.confirmed = flush
	return nil
}

// appendStatus appends a standby status update in its CopyData frame. A flush of
// 0 confirms nothing.
func appendStatus(dst []byte, received, flush uint64, now time.Time, reply bool) []byte {
	const length = 4 + 1 + 4*8 + 1
	dst = append(dst, 'd')
	dst = binary.BigEndian.AppendUint32(dst, length)
	dst = append(dst, 'r')
	dst = binary.BigEndian.AppendUint64(dst, received)
	dst = binary.BigEndian.AppendUint64(dst, flush)
	dst = binary.BigEndian.AppendUint64(dst, flush) // applied: what is acknowledged is also applied
	dst = binary.BigEndian.AppendUint64(dst, uint64(pgoutput.Microseconds(now)))
	if reply {
		return append(dst, 1)
	}
	return append(dst, 0)
}
