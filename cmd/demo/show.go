package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// How often what is shown is renewed: drawn over, or a line added.
const (
	drawInterval = 250 * time.Millisecond
	lineInterval = time.Second
)

// show shows the demo until showing ends. ctx has ended where the writer was
// asked to stop.
func (d *demo) show(ctx, showing context.Context, p parts) (err error) {
	screen := d.options.Screen
	if screen.Out == io.Discard {
		return nil
	}
	live := d.options.Changes == 0
	var conn *pgx.Conn
	if live {
		if conn, err = d.shop.connect(showing, superuser); err != nil {
			return untilStopped(showing, err)
		}
		defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(showing))) }()
	}
	g := newGauge(d, p, conn)
	interval := lineInterval
	if screen.Terminal {
		interval = drawInterval
	}
	again := time.NewTicker(interval)
	defer again.Stop()
	draw := screen.painter(live)
	defer screen.separate()
	stopped := ctx.Done()
	for {
		s, err := g.take(showing)
		if err != nil {
			return untilStopped(showing, err)
		}
		draw(s)
		select {
		case <-again.C:
		case <-stopped:
			// The shell and the command write below the view now: leave it as it is.
			draw = func(*sample) {}
			screen.println("waiting until everything that was committed has its verdict")
			stopped = nil
		case <-showing.Done():
			if live || stopped == nil {
				return nil
			}
			return g.finish(showing, draw) // asks no database, so needs no more than a ctx that has ended
		}
	}
}

// untilStopped drops the error of a ctx that has ended.
func untilStopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// painter returns what shows one sample after the other.
func (s Screen) painter(live bool) func(*sample) {
	switch {
	case !s.Terminal:
		return func(now *sample) { s.println(now.line()) }
	case live:
		height := 0
		return func(now *sample) { height = s.over(height, now.view(s.styles(), s.width()-1)) }
	default:
		// The cursor stays below the bar, where the terminal echoes Ctrl-C.
		height := 0
		return func(now *sample) { height = s.over(height, []string{now.bar(s.width() - 1)}) }
	}
}

// over draws lines over the last ones, of which there are height, and returns
// how many there are now.
func (s Screen) over(height int, lines []string) int {
	var b strings.Builder
	if height > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA", height) // \r: the echo of a key may have moved the cursor
	} else {
		b.WriteString("\r\x1b[K")
	}
	for _, line := range lines {
		b.WriteString(clip(line, s.width()-1) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	io.WriteString(s.Out, b.String())
	return len(lines)
}

// note shows a line until something else is shown.
func (s Screen) note(text string) {
	if !s.Terminal {
		s.println(text)
		return
	}
	fmt.Fprintf(s.Out, "\r\x1b[K%s", clip(text, s.width()-1))
}

// clear takes a note away.
func (s Screen) clear() {
	if s.Terminal {
		io.WriteString(s.Out, "\r\x1b[K")
	}
}

// separate puts an empty line between what was drawn and what comes below.
func (s Screen) separate() {
	if s.Terminal {
		s.println("")
	}
}

func (s Screen) println(text string) {
	if s.Terminal {
		text = "\r\x1b[K" + text
	}
	fmt.Fprintln(s.Out, text)
}
