package demo

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"changefeed/cdc"
	"changefeed/pillows"
)

func exampleSample() *sample {
	latency := new(histogram)
	for i := range 100 {
		latency.add(time.Duration(i+1) * time.Millisecond / 2)
	}
	s := &sample{
		elapsed: 83 * time.Second, changes: 104_310, transactions: 60_204, rolledBack: 3004, savepoints: 3601,
		account: account{
			open: 21, latency: latency,
			counts: pillows.Counts{Applied: 100_112, Superseded: 4177},
		},
		publisher: cdc.Stats{State: "streaming", Streaming: true, Rows: 250_000, Published: 104_310, Acknowledged: 104_300},
		slot:      slot{name: "changefeed_shop", active: true, behind: 12 << 10},
		rates:     rates{committed: 2104.4, published: 2101, settled: 2099.6},
		latency:   latency,
		history:   []float64{0, 500, 1000, 2000, 4000, 2000},
	}
	for i := range int32(4) {
		s.pillow.Partitions = append(s.pillow.Partitions, pillows.PartitionStats{Topic: topic, Partition: i, NextOffset: 1000 * int64(i), Lag: int64(i) - 1})
	}
	return s
}

const exampleView = `
 changefeed demo  01:23   orders ▸ write-ahead log ▸ publisher ▸ topic ▸ pillow ▸ report table

 CHANGES a second             LATENCY last 10 s            TRANSACTIONS
 committed           2,104    p50               25.5 ms    committed          60,204
 published           2,101    p99                 50 ms    rolled back         3,004
 with verdict        2,100    longest             50 ms    to a savepoint      3,601

 ▁▂▃▅█▅ verdicts a second, at most 4,000

 VERDICTS                     PUBLISHER                    SLOT
 applied           100,112    streaming                    active
 superseded          4,177    rows read         250,000    changefeed_shop
 parked                  0    published         104,310    behind             12 KiB
 unexpected              0    acknowledged      104,300
 open                   21

 PARTITION          0       1       2       3
 next offset        0   1,000   2,000   3,000
 lag                ?       0       1       2

 Ctrl-C stops the writer, waits for what is open, and compares.
`

func TestViewShowsTheWholePath(t *testing.T) {
	var got strings.Builder
	for _, line := range exampleSample().view(styles{}, 100) {
		got.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if diff := cmp.Diff(exampleView, got.String()); diff != "" {
		t.Errorf("view (-want +got):\n%s", diff)
	}
}

func TestColoursChangeNoColumn(t *testing.T) {
	colored := Screen{Color: true}.styles()
	plain := exampleSample().view(styles{}, 100)
	for i, line := range exampleSample().view(colored, 100) {
		if got := withoutColours(line); got != plain[i] {
			t.Errorf("with colours line %d is %q, without %q", i, got, plain[i])
		}
	}
}

func withoutColours(line string) string {
	for {
		start := strings.IndexByte(line, '\x1b')
		if start < 0 {
			return line
		}
		end := strings.IndexByte(line[start:], 'm')
		line = line[:start] + line[start+end+1:]
	}
}

func TestViewFitsNarrowTerminals(t *testing.T) {
	for _, width := range []int{1, 20, 40, 79} {
		var out bytes.Buffer
		screen := Screen{Out: &out, Terminal: true, Color: true, Width: func() int { return width }}
		draw := screen.painter(true)
		draw(exampleSample())
		for line := range strings.Lines(out.String()) {
			line = strings.NewReplacer("\r", "", "\x1b[K", "", "\x1b[J", "", "\n", "").Replace(line)
			if n := utf8.RuneCountInString(withoutColours(line)); n > width {
				t.Errorf("width %d: a line has %d columns: %q", width, n, line)
			}
		}
	}
}

func TestViewIsDrawnOverTheLastOne(t *testing.T) {
	var out bytes.Buffer
	draw := Screen{Out: &out, Terminal: true}.painter(true)
	draw(exampleSample())
	height := strings.Count(out.String(), "\n")
	out.Reset()
	draw(exampleSample())
	if want := "\x1b[" + count(int64(height)) + "A"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("the second view begins with %q, want %q", out.String()[:min(10, out.Len())], want)
	}
}

func TestPillowThatWaitsSaysWhy(t *testing.T) {
	s := exampleSample()
	s.pillow.Waiting = "the brokers do not answer"
	if text := strings.Join(s.view(styles{}, 100), "\n"); !strings.Contains(text, "PILLOW  the brokers do not answer") {
		t.Errorf("the view does not say why the pillow waits:\n%s", text)
	}
}

func TestProgressIsOneLine(t *testing.T) {
	s := exampleSample()
	s.wanted = 200_000
	for _, tt := range []struct{ got, want string }{
		{s.line(), "01:23  104,310 of 200,000 changes committed, 2,100 a second; 21 open; p50 25.5 ms, p99 50 ms"},
		{s.bar(79), " [==============              ] 104,289/200,000  2,100/s  p99 50 ms  00:45 left"},
		{s.bar(30), " 104,289/200,000  2,100/s  p99 50 ms  00:45 left"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestScreenThatIsNoTerminalIsWrittenInLines(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if s := NewScreen(file, os.LookupEnv); s.Terminal || s.Color {
		t.Error("a file was taken for a terminal")
	}
	var out bytes.Buffer
	s := NewScreen(&out, os.LookupEnv)
	s.note("starting")
	s.painter(true)(exampleSample())
	s.clear()
	if text := out.String(); strings.ContainsAny(text, "\x1b\r") || strings.Count(text, "\n") != 2 {
		t.Errorf("got %q, want two plain lines", text)
	}
}

func TestSummaryIsReadable(t *testing.T) {
	s := &Summary{
		Changes: 20_000, Published: 20_000, Applied: 19_250, Superseded: 750, Rows: 10_480,
		P50: milliseconds(4200 * time.Microsecond), P99: milliseconds(41 * time.Millisecond), Max: milliseconds(1200 * time.Millisecond),
		Transactions: 12_345, RolledBack: 602, Savepoints: 701, Largest: 1250, Seconds: 9.84, ChangesPerSecond: 2032.5, PeakRSS: 143.2,
		comparison: comparison{rows: 10_480},
	}
	const want = `20,000 changes in 9.8 s (2,033 a second), in 12,345 transactions, the largest of 1,250;
602 transactions were rolled back, 701 more to a savepoint.

  published         20,000   records on the topic orders
  applied           19,250
  superseded           750   a newer change of the order was at hand
  parked                 0
  lost                   0
  mismatched             0   10,480 rows compared, all equal

  from commit to report table: p50 4.2 ms, p99 41 ms, at most 1.2 s
  memory of this process: 143 MiB at most
`
	if diff := cmp.Diff(want, s.text()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}
