package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"changefeed/cdc/backfill"
	"changefeed/cmd/stack"
)

type backfillCommand struct {
	Table  string `arg:"" help:"Routed table, as in SQL."`
	Source string `help:"Source of the table; not needed where there is one." placeholder:"NAME"`
	Rate   int    `default:"5000" help:"Rows a second at most." placeholder:"N"`
	After  string `help:"Go on after this document id: a JSON array of the texts of its columns." placeholder:"JSON"`
}

// backfillRow is the result.
type backfillRow struct {
	Table   string  `json:"table"`
	Rows    int64   `json:"rows"`
	Seconds float64 `json:"seconds"`
}

// Run publishes what a table holds.
func (c *backfillCommand) Run(a *app) error {
	options := stack.BackfillOptions{Table: c.Table, Rate: c.Rate}
	if c.After != "" {
		if err := json.Unmarshal([]byte(c.After), &options.After); err != nil || options.After == nil {
			return fmt.Errorf("%w: --after %s: want a JSON array of texts, as in [\"a\", \"1\"]", errUsage, c.After)
		}
	}
	s, err := a.stack()
	if err != nil {
		return err
	}
	defer s.Close()
	var named []string
	if c.Source != "" {
		named = []string{c.Source}
	}
	found, err := sources(s, named)
	if err != nil {
		return err
	}
	if len(found) > 1 {
		return fmt.Errorf("%w: several sources are configured: say which with --source", errUsage)
	}
	done, err := s.Backfill(a.ctx, found[0], options, c.reporter(a))
	if err != nil {
		if done.After != nil {
			after, _ := json.Marshal(done.After) // texts
			// What wraps an interruption is not printed: this is what it was for.
			err = fmt.Errorf("%s; %d rows were published: go on with --after '%s'", err.Error(), done.Rows, strings.ReplaceAll(string(after), "'", `'\''`))
		}
		return err
	}
	row := backfillRow{c.Table, done.Rows, done.Elapsed.Seconds()}
	return printRows(a, []string{"table", "rows", "seconds"}, []backfillRow{row}, func(r backfillRow) []string {
		return []string{r.Table, strconv.FormatInt(r.Rows, 10), fmt.Sprintf("%.1f", r.Seconds)}
	})
}

// reporter prints the progress on standard error, every few seconds.
func (c *backfillCommand) reporter(a *app) func(backfill.Progress) {
	const every = 2 * time.Second
	var said time.Duration
	return func(p backfill.Progress) {
		if p.Elapsed-said < every {
			return
		}
		said = p.Elapsed
		rate := float64(p.Rows) / p.Elapsed.Seconds()
		line := fmt.Sprintf("backfill %s: %d rows, %.0f rows/s", c.Table, p.Rows, rate)
		if left := p.Estimate - p.Rows; left > 0 && rate > 0 {
			line += fmt.Sprintf(", about %v left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
		}
		fmt.Fprintln(a.stderr, line)
	}
}
