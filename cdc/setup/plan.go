package setup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
)

// Step is one change that setup makes.
type Step struct {
	// Why says what the step is for.
	Why string `json:"why"`
	// Warning says what follows from it that somebody has to know. Mostly empty.
	Warning string `json:"warning,omitempty"`
	// SQL are statements without semicolons at their ends.
	SQL []string `json:"sql"`
	// Alone keeps the statements out of a transaction. Otherwise they are one
	// transaction.
	Alone bool `json:"alone"`
}

// script returns the statements to send one by one.
func (s *Step) script() []string {
	if s.Alone {
		return s.SQL
	}
	return inTransaction(s.SQL...)
}

// inTransaction frames several statements as one transaction.
func inTransaction(statements ...string) []string {
	if len(statements) < 2 {
		return statements
	}
	return slices.Concat([]string{"BEGIN"}, statements, []string{"COMMIT"})
}

// limitLock keeps a statement that waits for a lock from keeping the application
// waiting behind it. The transaction is tried again when it fails.
const limitLock = "SET LOCAL lock_timeout = '1s'"

// Steps lead from what the server has to what the configuration wants, in order:
// first the publications that have a table already come to hold the columns of
// its new replica identity, then replica identities, then publications, then what
// is left over goes, and last the slot, which can read only what was published
// before it began. An application goes on updating and deleting at each moment
// between them. They can be stopped anywhere, and planned again.
type Steps []Step

// SQL returns the steps as a script for psql, with their reasons as comments.
func (s Steps) SQL() string {
	if len(s) == 0 {
		return "-- Nothing to do.\n"
	}
	var b strings.Builder
	b.WriteString("-- Run the statements one by one: those without BEGIN must be outside a transaction.\n")
	for _, sql := range unlimited {
		b.WriteString(sql + ";\n")
	}
	for i := range s {
		fmt.Fprintf(&b, "\n-- %d. %s\n", i+1, comment(s[i].Why))
		if s[i].Warning != "" {
			fmt.Fprintf(&b, "-- Note: %s\n", comment(s[i].Warning))
		}
		for _, sql := range s[i].script() {
			b.WriteString(sql + ";\n")
		}
	}
	return b.String()
}

// comment keeps text on its line, whatever names of tables it holds.
func comment(text string) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(text)
}

// Plan returns the steps that set up the source for a validated configuration,
// none where nothing is to be done, and changes nothing. What a person has to
// decide or repair first is a *RefusalError. The connection is as in Preflight;
// the role that runs Apply owns the tables, may CREATE in the database, and may
// replicate.
func Plan(ctx context.Context, conn *pgx.Conn, cfg cdc.Config) (Steps, error) {
	cfg = cfg.WithDefaults()
	c, err := readCatalog(ctx, conn, &cfg)
	if err != nil {
		return nil, err
	}
	cfg = c.withParts(cfg)
	refusals := slices.DeleteFunc(examine(c, &cfg, true).Refusals(), func(f Finding) bool { return f.solvedByInit() })
	if len(refusals) > 0 {
		return nil, &RefusalError{Findings: refusals}
	}
	return plan(c, &cfg), nil
}

// plan needs a catalogue in which nothing is refused but what setup solves, and a
// configuration with the parts of tables.
func plan(c *catalog, cfg *cdc.Config) Steps {
	identities := decideIdentities(c, cfg)
	builds := make(map[cdc.TableName][]string)
	for name, d := range identities {
		if d.build != nil {
			builds[name] = d.build
		}
	}
	var steps Steps
	publications := clonePublications(c.publications)
	if widen := c.widen(publications, builds); len(widen) > 0 {
		steps = append(steps, Step{
			Why: "publish the columns of the coming replica identities: the application's updates need them listed before", SQL: widen,
		})
	}
	for i := range cfg.Tables {
		t := c.table(&cfg.Tables[i])
		if columns := builds[t.name]; columns != nil {
			steps = append(steps, identitySteps(t, columns)...)
		}
	}
	if step, ok := publicationStep(c, cfg, publications, identities); ok {
		steps = append(steps, step)
	}
	for i := range cfg.Tables {
		if t := c.table(&cfg.Tables[i]); t.exists() {
			steps = append(steps, leftoverSteps(t, builds[t.name])...)
		}
	}
	if c.slot == nil {
		steps = append(steps, c.slotStep(cfg.Slot))
	}
	return steps
}

func (c *catalog) slotStep(slot string) Step {
	return Step{
		Why:   "make the slot, from which on nothing committed is missed; it waits until the transactions that are open now have ended",
		SQL:   []string{c.createSlot(slot)},
		Alone: true,
	}
}

// widen adds columns to the lists of publications that have the tables already,
// where the lists do not hold them, and returns the statements that do so on the
// server.
func (c *catalog) widen(publications []catalogPublication, more map[cdc.TableName][]string) []string {
	var sql []string
	for i := range publications {
		p := &publications[i]
		widened := false
		for _, name := range slices.SortedFunc(maps.Keys(more), compareTables) {
			e := p.entry(name)
			if e == nil || e.columns == nil || subset(more[name], e.columns) || p.operations&(cdc.Update|cdc.Delete) == 0 {
				continue
			}
			e.columns = union(e.columns, more[name])
			widened = true
		}
		if widened {
			sql = append(sql, c.setTables(p))
		}
	}
	return sql
}

func compareTables(a, b cdc.TableName) int {
	if a.Schema != b.Schema {
		return strings.Compare(a.Schema, b.Schema)
	}
	return strings.Compare(a.Name, b.Name)
}
