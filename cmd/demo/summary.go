package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Summary is the result of a demo. Its JSON is what --json prints.
type Summary struct {
	// Changes is the number of changes that the writer has committed.
	Changes int64 `json:"changes"`
	// Published is the number of records on the topic.
	Published int64 `json:"published"`
	// Applied, Superseded, Filtered and Parked are the verdicts, one for each
	// change that got one.
	Applied    int64 `json:"applied"`
	Superseded int64 `json:"superseded"`
	Filtered   int64 `json:"filtered"`
	Parked     int64 `json:"parked"`
	// Lost is the number of changes that got no verdict.
	Lost int64 `json:"lost"`
	// Unexpected is the number of verdicts on changes that were never committed,
	// Repeated that of verdicts on changes that had one.
	Unexpected int64 `json:"unexpected"`
	Repeated   int64 `json:"repeated"`
	// Mismatched is the number of rows of the report table that are missing, too
	// many or different, of Rows that there should be.
	Mismatched int64 `json:"mismatched"`
	Rows       int64 `json:"rows"`
	// Latencies are from the return of the commit to the verdict, in
	// milliseconds.
	P50 milliseconds `json:"p50_ms"`
	P99 milliseconds `json:"p99_ms"`
	Max milliseconds `json:"max_ms"`
	// Transactions is the number of committed transactions, RolledBack that of
	// others; Savepoints counts rollbacks to a savepoint; Largest is the number
	// of changes of the largest transaction.
	Transactions int64 `json:"transactions"`
	RolledBack   int64 `json:"rolled_back"`
	Savepoints   int64 `json:"savepoints_rolled_back"`
	Largest      int64 `json:"largest_transaction"`
	// Seconds is the time from the first transaction to the last verdict, and
	// ChangesPerSecond the changes in it.
	Seconds          float64 `json:"seconds"`
	ChangesPerSecond float64 `json:"changes_per_second"`
	// PeakRSS is the most memory that the process has had so far, in MiB, with
	// the embedded broker and without PostgreSQL; 0 where it is not known.
	PeakRSS float64 `json:"peak_rss_mib"`

	comparison comparison
	lost       []string // examples
	strays     []string
}

// milliseconds is a duration in JSON, in milliseconds to three digits.
type milliseconds time.Duration

// MarshalJSON implements json.Marshaler.
func (m milliseconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Duration(m).Microseconds())/1000, 'f', -1, 64), nil
}

// ErrFailed is wrapped by the error of [Run] where something was lost, or the
// report table differs from the database.
var ErrFailed = errors.New("the demo has failed")

// Err returns an error unless all went well.
func (s *Summary) Err() error {
	if s.Lost == 0 && s.Mismatched == 0 && s.Unexpected == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d changes lost, %d verdicts on changes that nobody committed, %d rows mismatched", ErrFailed, s.Lost, s.Unexpected, s.Mismatched)
}

func (s *Summary) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(s)
	}
	_, err := io.WriteString(out, s.text())
	return err
}

// remarkRoom leaves the lines of the summary at most 60 columns.
const remarkRoom = 34

// text is the summary for people.
func (s *Summary) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s changes in %.1f s, %s a second\n", count(s.Changes), s.Seconds, count(int64(math.Round(s.ChangesPerSecond))))
	fmt.Fprintf(&b, "%s transactions, the largest of %s changes\n", count(s.Transactions), count(s.Largest))
	fmt.Fprintf(&b, "%s more rolled back, %s rollbacks to a savepoint\n\n", count(s.RolledBack), count(s.Savepoints))
	row := func(name, value string, remarks ...string) {
		name = fmt.Sprintf("%-12s %9s", name, value)
		if len(remarks) == 0 {
			remarks = []string{""}
		}
		for _, remark := range remarks {
			for _, line := range wrap(remark, remarkRoom) {
				fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("  %-22s  %s", name, line), " "))
				name = ""
			}
		}
	}
	row("published", count(s.Published), "records on the topic "+topic)
	row("applied", count(s.Applied))
	row("superseded", count(s.Superseded), "by a newer change of the order")
	if s.Filtered > 0 {
		row("filtered", count(s.Filtered))
	}
	row("parked", count(s.Parked))
	row("lost", count(s.Lost), s.lost...)
	if s.Unexpected > 0 {
		row("unexpected", count(s.Unexpected), s.strays...)
	}
	if s.Repeated > 0 {
		row("repeated", count(s.Repeated), "read again, as readers must expect")
	}
	row("mismatched", count(s.Mismatched), s.comparison.remarks()...)
	b.WriteByte('\n')
	if s.Applied+s.Superseded+s.Filtered+s.Parked > 0 {
		row("p50", duration(time.Duration(s.P50)), "from commit to report table")
		row("p99", duration(time.Duration(s.P99)))
		row("longest", duration(time.Duration(s.Max)))
	}
	if s.PeakRSS > 0 {
		row("memory", fmt.Sprintf("%.0f MiB", s.PeakRSS), "of this process, at most")
	}
	return b.String()
}

// count writes a number with its thousands apart.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// duration writes a duration to three digits, in the unit that suits it.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d.Microseconds())/1000)
	default:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
}
