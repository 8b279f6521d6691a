package cdc

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

// model is what assembly does, said as simply as possible: a list of documents
// that is searched from the beginning.
type model struct {
	cfg   *Config
	known map[string]string // parents that a lookup finds, and their tenants
	piece []modelDocument
	lsn   uint64
	next  uint64 // number
	quiet bool   // a suppress message has been heeded

	lines      []string
	suppressed uint64
	gone       uint64
}

type modelDocument struct {
	topic, source, id string
	order             int
	row, message      string // the rest of the line, "" where there was none
	satellite, quiet  bool
}

func (m *model) order(topic string) int {
	for i := range m.cfg.Tables {
		if m.cfg.Tables[i].Topic == topic {
			return m.cfg.Tables[i].Order
		}
	}
	return 0
}

// find returns a document of the piece, a new one where there is none. Of audit
// there is a new one each time.
func (m *model) find(topic, source, id string) (d *modelDocument, isNew bool) {
	folds := topic != "audit" || source != "main/public.audit"
	for i := range m.piece {
		if d := &m.piece[i]; d.topic == topic && d.source == source && d.id == id && folds {
			return d, false
		}
	}
	m.piece = append(m.piece, modelDocument{topic: topic, source: source, id: id, order: m.order(topic)})
	return &m.piece[len(m.piece)-1], true
}

// row says that a row left a document like this.
func (m *model) row(topic, source, id, rest string) {
	d, isNew := m.find(topic, source, id)
	d.quiet = d.quiet || isNew && m.quiet
	d.row = rest
}

func (m *model) satellite(id string) {
	d, isNew := m.find("orders", "main/public.orders", id)
	d.quiet = d.quiet || isNew && m.quiet
	d.satellite = d.satellite || !m.quiet || d.quiet
}

func (m *model) message(topic, source, id, rest string) {
	d, _ := m.find(topic, source, id)
	if d.quiet {
		d.quiet, d.satellite = false, false
	}
	d.message = rest
}

// full ends a piece if it is full.
func (m *model) full() {
	if len(m.piece) >= m.cfg.PieceDocuments {
		m.end()
	}
}

func (m *model) end() {
	slices.SortStableFunc(m.piece, func(a, b modelDocument) int { return cmp.Compare(a.order, b.order) })
	for i := range m.piece {
		d := &m.piece[i]
		tenant, found := m.known[d.id]
		rest := d.message
		switch {
		case d.row != "":
			rest = d.row
		case d.satellite && found:
			rest = tenant + " Order open"
		}
		switch {
		case d.quiet:
			m.suppressed++
		case rest == "":
			m.gone++
		default:
			m.lines = append(m.lines, fmt.Sprintf("%d/%d %s %s %s", m.lsn, m.next, d.topic, d.source, d.id)+" "+rest)
		}
		m.next++
	}
	m.piece = nil
}

// modelStep is a message of the log and what it means.
type modelStep struct {
	message pgoutput.Message
	means   func(*model)
}

func drawStep(t *rapid.T) modelStep {
	id := func(what string) string { return rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, what) }
	const orders, audit = "main/public.orders", "main/public.audit"
	of := id("id")
	switch rapid.SampledFrom([]string{
		"save", "soft", "delete", "rename", "line", "line", "line", "move", "audit", "flag", "message", "message", "message", "message", "suppress", "others",
	}).Draw(t, "step") {
	case "save":
		return modelStep{insert(ordersID, of, "t", "2", null), func(m *model) { m.row("orders", orders, of, "t Order closed") }}
	case "soft":
		return modelStep{update(ordersID, nil, row(of, "t", "2", "now")), func(m *model) { m.row("orders", orders, of, "t Order closed deleted") }}
	case "delete":
		return modelStep{remove(ordersID, of, "t", null, null), func(m *model) { m.row("orders", orders, of, "t Order - deleted") }}
	case "rename":
		to := id("to")
		return modelStep{update(ordersID, row(of, "t", null, null), row(to, "t", "1", null)), func(m *model) {
			if of != to {
				m.row("orders", orders, of, "t Order - deleted")
			}
			m.row("orders", orders, to, "t Order open")
		}}
	case "line":
		return modelStep{insert(linesID, "1", of), func(m *model) { m.satellite(of) }}
	case "move":
		to := id("to")
		return modelStep{update(linesID, row("1", of), row("1", to)), func(m *model) {
			if of != to {
				m.satellite(of)
			}
			m.satellite(to)
		}}
	case "audit":
		return modelStep{insert(auditID, of, "x"), func(m *model) { m.row("audit", audit, of+"/x", "- - -") }}
	case "flag":
		return modelStep{insert(flagsID, of, "4"), func(m *model) { m.row("orders", "main/public.flags", of, "- - - deleted") }}
	case "suppress":
		return modelStep{says(suppress), func(m *model) { m.quiet = m.cfg.AllowSuppress }}
	case "others":
		other := says(suppress)
		other.Logical.Prefix = []byte("other")
		return modelStep{other, func(*model) {}}
	}
	named := rapid.SampledFrom([][2]string{
		{"orders", orders},
		{"orders", orders},
		{"orders", orders},
		{"orders", "main/public.flags"},
		{"orders", "elsewhere"},
		{"audit", audit},
		{"audit", audit},
		{"audit", orders},
		{"extra", "elsewhere"},
		{"extra", "elsewhere"},
		{"extra", audit},
	}).Draw(t, "topic and source")
	topic, source := named[0], named[1]
	deleted := rapid.Bool().Draw(t, "deleted")
	rest := "m - -"
	if deleted {
		rest += " deleted"
	}
	content := fmt.Sprintf(`{"change": {"topic": %q, "data_source_name": %q, "document_id": %q, "domain": "m", "is_deletion": %t}}`, topic, source, of, deleted)
	return modelStep{says(content), func(m *model) { m.message(topic, source, of, rest) }}
}

// announcedPipeline knows the tables that steps are about.
func announcedPipeline(tb testEnd, cfg Config, lookup ParentLookup) *pipeline {
	p := newPipeline(tb, cfg, lookup)
	if err := p.take(append(announcements(), relationOf(flagsID, "flags", "id*", "flags"))...); err != nil {
		tb.Fatal(err)
	}
	return p
}

// modelLine is a change as the model writes it.
func modelLine(c *changefeed.Change) string {
	m := &c.Meta
	line := fmt.Sprintf("%d/%d %s %s %s %s %s %s", c.Position.LSN, c.Position.Ordinal, c.Topic, m.DataSourceName, m.DocumentID,
		m.Domain.Or("-"), m.DocumentType.Or("-"), m.DocumentSubtype.Or("-"))
	if m.IsDeletion {
		line += " deleted"
	}
	return line
}

func TestAssemblyAgreesWithItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := messageConfig()
		cfg.AllowSuppress = rapid.Bool().Draw(t, "allow suppress")
		cfg.PieceDocuments = rapid.SampledFrom([]int{1, 3, 5, 1000, 1000}).Draw(t, "piece")
		cfg.Tables[0].Order = rapid.IntRange(-1, 1).Draw(t, "order of orders")
		cfg.Tables[3].Order = cfg.Tables[0].Order
		cfg.Tables[2].Order = rapid.IntRange(-1, 1).Draw(t, "order of audit")
		want := &model{cfg: &cfg, known: map[string]string{"a": "looked-up", "b": "looked-up"}, lsn: 1000}
		lookup := &fakeParents{rows: make(map[string][]changefeed.Text)}
		for id, tenant := range want.known {
			lookup.rows[id] = []changefeed.Text{changefeed.NewText(tenant), changefeed.NewText("1"), {}}
		}
		var transactions [][]pgoutput.Message
		for range rapid.IntRange(1, 4).Draw(t, "transactions") {
			want.lsn, want.next, want.quiet = want.lsn+100, 0, false
			var messages []pgoutput.Message
			for range rapid.IntRange(0, 30).Draw(t, "steps") + rapid.SampledFrom([]int{0, 10}).Draw(t, "more steps") {
				step := drawStep(t)
				step.means(want)
				want.full()
				messages = append(messages, step.message)
			}
			want.end()
			transactions = append(transactions, messages)
		}
		// A replay, read and published in another rhythm, gives the same; and the
		// same positions whether or not suppression is allowed.
		for range 2 {
			p := announcedPipeline(t, cfg, lookup)
			for _, messages := range transactions {
				p.commits(messages...)
				if rapid.Bool().Draw(t, "publish now") {
					p.publishes()
				}
			}
			var got []string
			for _, c := range p.publishes() {
				got = append(got, modelLine(&c))
			}
			if diff := gocmp.Diff(want.lines, got); diff != "" {
				t.Fatal(diff)
			}
			s := p.counters.stats()
			if s.Suppressed != want.suppressed || s.ParentsGone != want.gone || s.Malformed != 0 {
				t.Fatalf("counted %+v, want %d suppressed and %d gone", s, want.suppressed, want.gone)
			}
		}
	})
}

// Suppression leaves changes out, and moves none.
func TestPositionsDoNotDependOnWhatIsSuppressed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := messageConfig()
		cfg.PieceDocuments = rapid.SampledFrom([]int{2, 5, 1000}).Draw(t, "piece")
		var messages []pgoutput.Message
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			messages = append(messages, drawStep(t).message)
		}
		published := func(allowed bool) map[string]string {
			cfg.AllowSuppress = allowed
			p := announcedPipeline(t, cfg, knownParents())
			p.commits(messages...)
			at := make(map[string]string)
			for _, c := range p.publishes() {
				at[c.Position.String()] = c.Topic + " " + c.Meta.DataSourceName + " " + c.Meta.DocumentID
			}
			return at
		}
		all := published(false)
		for position, what := range published(true) {
			if all[position] != what {
				t.Errorf("%s is %s, and %q where nothing is suppressed", position, what, all[position])
			}
		}
	})
}
