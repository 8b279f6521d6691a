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

const wideView = `
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

const narrowView = `
 changefeed demo  01:23   orders ▸ publisher ▸ topic ▸ pillow ▸ report table

 CHANGES a second           LATENCY last 10 s          TRANSACTIONS
 committed          2,104   p50              25.5 ms   committed         60,204
 published          2,101   p99                50 ms   rolled back        3,004
 with verdict       2,100   longest            50 ms   to a savepoint     3,601

 ▁▂▃▅█▅ verdicts a second, at most 4,000

 VERDICTS                   PUBLISHER                  SLOT
 applied          100,112   streaming                  active
 superseded         4,177   rows read        250,000   changefeed_shop
 parked                 0   published        104,310   behind            12 KiB
 unexpected             0   acknowledged     104,300
 open                  21

 PARTITION          0       1       2       3
 next offset        0   1,000   2,000   3,000
 lag                ?       0       1       2

 Ctrl-C stops the writer, waits for what is open, and compares.

`

const smallView = `
 changefeed demo  01:23   orders ▸ topic ▸ report table

 CHANGES a second             LATENCY last 10 s
 committed           2,104    p50               25.5 ms
 published           2,101    p99                 50 ms
 with verdict        2,100    longest             50 ms

 ▁▂▃▅█▅ verdicts a second, at most 4,000

 VERDICTS                     PUBLISHER
 applied           100,112    streaming
 superseded          4,177    rows read         250,000
 parked                  0    published         104,310
 unexpected              0    acknowledged      104,300
 open                   21

 PARTITION          0       1       2       3
 next offset        0   1,000   2,000   3,000
 lag                ?       0       1       2

 Ctrl-C stops the writer and compares.

`

func TestViewLeavesOutWhatHasNoRoom(t *testing.T) {
	for width, want := range map[int]string{120: wideView, 100: wideView, 80: narrowView, 60: smallView} {
		var got strings.Builder
		for _, line := range exampleSample().view(styles{}, width-1) {
			got.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("view at %d columns (-want +got):\n%s", width, diff)
		}
	}
}

func TestColoursChangeNoColumn(t *testing.T) {
	colored := Screen{Color: true}.styles()
	plain := exampleSample().view(styles{}, 99)
	for i, line := range exampleSample().view(colored, 99) {
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
	for _, width := range []int{1, 20, 40, 60, 80} {
		var out bytes.Buffer
		screen := Screen{Out: &out, Terminal: true, Color: true, Width: func() int { return width }}
		screen.painter(true)(exampleSample())
		screen.painter(false)(exampleSample())
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
	if want := "\r\x1b[" + count(int64(height)) + "A"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("the second view begins with %q, want %q", out.String()[:min(10, out.Len())], want)
	}
}

func TestPillowThatWaitsSaysWhy(t *testing.T) {
	s := exampleSample()
	s.pillow.Waiting = "the brokers do not answer"
	if text := strings.Join(s.view(styles{}, 99), "\n"); !strings.Contains(text, "PILLOW  the brokers do not answer") {
		t.Errorf("the view does not say why the pillow waits:\n%s", text)
	}
}

func TestProgressIsOneLine(t *testing.T) {
	s := exampleSample()
	s.wanted = 200_000
	for _, tt := range []struct{ got, want string }{
		{s.line(), "01:23  104,310 of 200,000 changes committed, 2,100 a second; 21 open; p50 25.5 ms, p99 50 ms"},
		{s.bar(79), " [==============              ] 104,289/200,000  2,100/s  p99 50 ms  00:45 left"},
		{s.bar(50), " [=====     ] 104,289/200,000  2,100/s  00:45 left"},
		{s.bar(30), " [=====      ] 104,289/200,000"},
		{s.bar(20), " 104,289/200,000"},
		{(&sample{latency: new(histogram)}).line(), "00:00  0 changes committed, 0 a second; 0 open"},
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
	const want = `20,000 changes in 9.8 s, 2,033 a second
12,345 transactions, the largest of 1,250 changes
602 more rolled back, 701 rollbacks to a savepoint

  published       20,000  records on the topic orders
  applied         19,250
  superseded         750  by a newer change of the order
  parked               0
  lost                 0
  mismatched           0  10,480 rows compared, all equal

  p50             4.2 ms  from commit to report table
  p99              41 ms
  longest          1.2 s
  memory         143 MiB  of this process, at most
`
	if diff := cmp.Diff(want, s.text()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func TestSummaryNamesEachFaultOnShortLines(t *testing.T) {
	s := &Summary{
		Changes: 2, Lost: 2, Unexpected: 1, Mismatched: 2,
		lost:       []string{"order 7 of transaction 801", "order 8 of transaction 801"},
		strays:     []string{"order 10480 of transaction 123456 (superseded)"},
		comparison: comparison{missing: 1, different: 1, examples: []string{"order 7 is missing", "order 8 is different"}},
	}
	const want = `
  lost                 2  order 7 of transaction 801
                          order 8 of transaction 801
  unexpected           1  order 10480 of transaction 123456
                          (superseded)
  mismatched           2  1 missing, 0 too many, 1 different
                          order 7 is missing
                          order 8 is different
`
	if text := s.text(); !strings.Contains(text, want) {
		t.Errorf("got\n%s\nwant in it\n%s", text, want)
	}
}

func TestLongReasonIsWrappedInAsManyLinesAsThePartitionsHave(t *testing.T) {
	s := exampleSample()
	height := len(s.view(styles{}, 59))
	s.pillow.Waiting = strings.TrimSpace(strings.Repeat("the brokers do not answer ", 9))
	lines := s.view(styles{}, 59)
	if len(lines) != height {
		t.Errorf("the view has %d lines, with partitions %d", len(lines), height)
	}
	want := []string{
		" PILLOW  the brokers do not answer the brokers do not",
		"         answer the brokers do not answer the brokers do",
		"         not answer the brokers do not answer the brokers …",
	}
	if diff := cmp.Diff(want, lines[len(lines)-6:len(lines)-3]); diff != "" {
		t.Errorf("reason (-want +got):\n%s", diff)
	}
}

func TestLatencyIsADashBeforeAnythingWasMeasured(t *testing.T) {
	s := exampleSample()
	s.latency = new(histogram)
	if text := strings.Join(s.view(styles{}, 79), "\n"); strings.Contains(text, "0 µs") || !strings.Contains(text, "–   rolled back") {
		t.Errorf("the view shows a latency that was not measured:\n%s", text)
	}
}

func TestPartitionsWithoutRoomAreCounted(t *testing.T) {
	s := exampleSample()
	for _, offset := range []int64{123_456, 12_345_678, 5000, 6000} {
		s.pillow.Partitions = append(s.pillow.Partitions, pillows.PartitionStats{Topic: topic, Partition: int32(len(s.pillow.Partitions)), NextOffset: offset})
	}
	const want = ` PARTITION             0          1          2         +5
 next offset           0      1,000      2,000
 lag                   ?          0          1`
	if diff := cmp.Diff(want, strings.Join(s.partitions(styles{}, 59), "\n")); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
}
