package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
)

// Severity says what a finding means for publishing.
type Severity int

// The severities, the gravest last.
const (
	Info   Severity = iota // good to know
	Warn                   // changes are published, but not all that could be told
	Refuse                 // publishing would fail, lose changes or harm the application
)

// String returns info, warn or refuse.
func (s Severity) String() string { return [...]string{"info", "warn", "refuse"}[s] }

// MarshalText returns what String does, for JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Remedy is one way to solve a problem.
type Remedy struct {
	// Text says what to do, or what the rest does, in words.
	Text string `json:"text"`
	// SQL are statements to run in this order, each on its own, without
	// semicolons at their ends.
	SQL []string `json:"sql,omitempty"`
	// Command is a command of changefeed.
	Command string `json:"command,omitempty"`
}

// initCommand makes what setup makes.
const initCommand = "changefeed init"

func byInit(text string, sql ...string) Remedy {
	return Remedy{Text: text, SQL: sql, Command: initCommand}
}

// Finding is one thing that preflight noticed.
type Finding struct {
	Severity Severity `json:"severity"`
	// Subject is what it is about: server, role NAME, table SCHEMA.NAME,
	// publication NAME or slot NAME.
	Subject string `json:"subject"`
	Problem string `json:"problem"`
	// Remedies are ways to choose from. A refusal has at least one.
	Remedies []Remedy `json:"remedies,omitempty"`
}

// solvedByInit reports whether setup removes the finding.
func (f *Finding) solvedByInit() bool {
	return slices.ContainsFunc(f.Remedies, func(r Remedy) bool { return r.Command == initCommand })
}

// String returns the finding with its remedies in several lines, without a line
// end at the last.
func (f *Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s", f.Severity, f.Subject, f.Problem)
	for i, r := range f.Remedies {
		lead := "do"
		switch {
		case i > 0:
			lead = "or"
		case len(f.Remedies) > 1:
			lead = "either"
		}
		fmt.Fprintf(&b, "\n  %s: %s", lead, r.Text)
		if r.Command != "" {
			fmt.Fprintf(&b, "\n      $ %s", r.Command)
		}
		for _, sql := range r.SQL {
			fmt.Fprintf(&b, "\n      %s;", strings.ReplaceAll(sql, "\n", "\n      "))
		}
	}
	return b.String()
}

// Report is what preflight found, the order being that in which to act.
type Report struct {
	Findings []Finding `json:"findings"`
}

// Refusals returns the findings that stand against publishing.
func (r Report) Refusals() []Finding {
	var refusals []Finding
	for _, f := range r.Findings {
		if f.Severity == Refuse {
			refusals = append(refusals, f)
		}
	}
	return refusals
}

// Err returns a *RefusalError where there are refusals, and nil otherwise.
func (r Report) Err() error {
	if refusals := r.Refusals(); len(refusals) > 0 {
		return &RefusalError{Findings: refusals}
	}
	return nil
}

// RefusalError says why publishing or setting up was refused. Report.Err and
// Plan return it; nothing has been changed then.
type RefusalError struct {
	Findings []Finding // at least one, all refusals
}

// Error tells every finding with its remedies, in several lines.
func (e *RefusalError) Error() string {
	var b strings.Builder
	b.WriteString("preflight refused:")
	for i := range e.Findings {
		b.WriteString("\n" + e.Findings[i].String())
	}
	return b.String()
}

// Preflight compares the server with the configuration, which is validated, and
// changes nothing. The error is about reading alone: what is wrong is in the
// Report. The connection is an ordinary one, not in a transaction, to the
// source's database as the publisher's role.
func Preflight(ctx context.Context, conn *pgx.Conn, cfg cdc.Config) (Report, error) {
	cfg = cfg.WithDefaults()
	c, err := readCatalog(ctx, conn, &cfg)
	if err != nil {
		return Report{}, err
	}
	cfg = c.withParts(cfg)
	return examine(c, &cfg, false), nil
}

// examine judges a catalogue and a configuration with the parts of tables: for
// publishing, or for setting up.
func examine(c *catalog, cfg *cdc.Config, settingUp bool) Report {
	x := &examiner{catalog: c, cfg: cfg, settingUp: settingUp, identities: decideIdentities(c, cfg)}
	x.examineServer()
	x.examineSuppression()
	for i := range cfg.Tables {
		x.examineTable(&cfg.Tables[i])
	}
	x.examinePublications()
	x.examineSlot()
	x.examineMonitoring()
	return Report{Findings: x.findings}
}

// examiner collects findings.
type examiner struct {
	catalog    *catalog
	cfg        *cdc.Config
	settingUp  bool
	identities map[cdc.TableName]identityDecision // of the tables whose routes fit them
	findings   []Finding
}

func (x *examiner) add(severity Severity, subject, problem string, remedies ...Remedy) {
	x.findings = append(x.findings, Finding{Severity: severity, Subject: subject, Problem: problem, Remedies: remedies})
}

// sentence joins names for a message.
func sentence(names []string) string { return strings.Join(names, ", ") }
