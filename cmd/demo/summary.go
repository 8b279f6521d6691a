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

// text is the summary for people.
func (s *Summary) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s changes in %.1f s (%s a second), in %s transactions, the largest of %s;\n",
		count(s.Changes), s.Seconds, count(int64(math.Round(s.ChangesPerSecond))), count(s.Transactions), count(s.Largest))
	fmt.Fprintf(&b, "%s transactions were rolled back, %s more to a savepoint.\n\n", count(s.RolledBack), count(s.Savepoints))
	row := func(name string, n int64, remark string) {
		fmt.Fprintf(&b, "  %s\n", strings.TrimRight(fmt.Sprintf("%-12s %11s   %s", name, count(n), remark), " "))
	}
	row("published", s.Published, "records on the topic "+topic)
	row("applied", s.Applied, "")
	row("superseded", s.Superseded, "a newer change of the order was at hand")
	if s.Filtered > 0 {
		row("filtered", s.Filtered, "")
	}
	row("parked", s.Parked, "")
	row("lost", s.Lost, strings.Join(s.lost, ", "))
	if s.Unexpected > 0 {
		row("unexpected", s.Unexpected, strings.Join(s.strays, ", "))
	}
	if s.Repeated > 0 {
		row("repeated", s.Repeated, "read again, as readers must expect")
	}
	row("mismatched", s.Mismatched, s.comparison.String())
	fmt.Fprintf(&b, "\n  from commit to report table: p50 %s, p99 %s, at most %s\n",
		duration(time.Duration(s.P50)), duration(time.Duration(s.P99)), duration(time.Duration(s.Max)))
	if s.PeakRSS > 0 {
		fmt.Fprintf(&b, "  memory of this process: %.0f MiB at most\n", s.PeakRSS)
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
