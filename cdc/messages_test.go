package cdc

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

// says is a transactional message with the publisher's prefix.
func says(content string) pgoutput.Message {
	return pgoutput.Message{Kind: pgoutput.KindMessage, Logical: pgoutput.LogicalMessage{
		Transactional: true, LSN: 0x42, Prefix: []byte(messagePrefix), Content: []byte(content),
	}}
}

const suppress = `{"suppress": true}`

// names is a change message about a document of orders, with more members.
func names(id, more string) pgoutput.Message {
	return says(`{"change": {"topic": "orders", "document_id": "` + id + `", "data_source_name": "main/public.orders"` + more + `}}`)
}

func messageConfig() Config {
	cfg := testConfig()
	cfg.Topics, cfg.AllowSuppress = []string{"extra", "orders"}, true
	return cfg
}

// knownParents has the parents "kept", and "soft", which is soft-deleted.
func knownParents() *fakeParents {
	return &fakeParents{rows: map[string][]changefeed.Text{
		"kept": {changefeed.NewText("looked-up"), changefeed.NewText("1"), {}},
		"soft": {changefeed.NewText("looked-up"), {}, changefeed.NewText("2020-01-01")},
	}}
}

// fullSummary writes a change in a line, with its source where that is not the
// one of orders.
func fullSummary(c *changefeed.Change) string {
	line := summary(c)
	if m := &c.Meta; m.DataSourceName != "main/public.orders" || m.DataSourceType != "sql" {
		line += " from " + m.DataSourceType + " " + m.DataSourceName
	}
	return line
}

func fullSummaries(changes []changefeed.Change) (lines []string) {
	for i := range changes {
		lines = append(lines, fullSummary(&changes[i]))
	}
	return lines
}

func TestMessagesPublishAndSuppress(t *testing.T) {
	tests := []struct {
		name     string
		messages []pgoutput.Message
		want     []string
	}{
		{"a message alone gives its own values, and null where it has none", []pgoutput.Message{
			names("a", `, "document_type": "Message", "domain": "", "is_deletion": true`),
			names("b", `, "document_type": null, "document_subtype": "s", "is_deletion": null, "data_source_type": "couch"`),
		}, []string{"1100/0 orders a  Message - deleted", "1100/1 orders b - - s from couch main/public.orders"}},
		{"it takes its number where it stands", []pgoutput.Message{
			insert(ordersID, "a", "acme", "1", null),
			names("b", ""),
			insert(ordersID, "c", "acme", "1", null),
		}, []string{"1100/0 orders a acme Order open", "1100/1 orders b - - -", "1100/2 orders c acme Order open"}},
		{"the last message of a document counts", []pgoutput.Message{
			names("a", `, "domain": "one", "is_deletion": true`),
			names("a", `, "domain": "two"`),
		}, []string{"1100/0 orders a two - -"}},
		{"a row before it comes first", []pgoutput.Message{
			insert(ordersID, "a", "acme", "1", null),
			names("a", `, "domain": "message", "is_deletion": true`),
		}, []string{"1100/0 orders a acme Order open"}},
		{"a row after it comes first", []pgoutput.Message{
			names("a", `, "domain": "message"`),
			remove(ordersID, "a", "acme", null, null),
		}, []string{"1100/0 orders a acme Order - deleted"}},
		{"what a lookup finds comes first too", []pgoutput.Message{
			names("kept", `, "domain": "message", "is_deletion": true`),
			insert(linesID, "1", "kept"),
			names("kept", `, "domain": "message", "is_deletion": true`),
			insert(linesID, "2", "soft"),
			names("soft", `, "domain": "message"`),
		}, []string{"1100/0 orders kept looked-up Order open", "1100/1 orders soft looked-up Order other deleted"}},
		{"what a message says is published where the parent is gone", []pgoutput.Message{
			names("gone", `, "domain": "message", "is_deletion": true`),
			insert(linesID, "1", "gone"),
			insert(linesID, "2", "gone too"),
			names("gone too", `, "domain": "message"`),
		}, []string{"1100/0 orders gone message - - deleted", "1100/1 orders gone too message - -"}},
		{"a topic with one name is enough, and its routes' rule of folding holds", []pgoutput.Message{
			says(`{"change": {"topic": "audit", "document_id": "x/y"}}`),
			says(`{"change": {"topic": "audit", "document_id": "x/y", "data_source_name": null}}`),
		}, []string{"1100/0 audit x/y - - - from sql main/public.audit", "1100/1 audit x/y - - - from sql main/public.audit"}},
		{"names of elsewhere", []pgoutput.Message{
			says(`{"change": {"topic": "extra", "document_id": "a", "data_source_name": "one", "domain": "x"}}`),
			says(`{"change": {"topic": "extra", "document_id": "a", "data_source_name": "two"}}`),
			insert(ordersID, "a", "acme", "1", null),
			says(`{"change": {"topic": "orders", "document_id": "a", "data_source_name": "one"}}`),
			says(`{"change": {"topic": "extra", "document_id": "a", "data_source_name": "one", "domain": "y"}}`),
		}, []string{
			"1100/0 extra a y - - from sql one", "1100/1 extra a - - - from sql two",
			"1100/2 orders a acme Order open", "1100/3 orders a - - - from sql one",
		}},
		{"rows after a suppress message yield nothing and use their numbers", []pgoutput.Message{
			insert(ordersID, "before", "acme", "1", null),
			says(suppress),
			insert(ordersID, "a", "acme", "1", null),
			remove(ordersID, "b", "acme", null, null),
			insert(linesID, "1", "kept"),
			insert(auditID, "x", "y"),
			update(ordersID, row("c", "acme", null, null), row("d", "acme", "1", null)),
			names("message", ""),
		}, []string{"1100/0 orders before acme Order open", "1100/7 orders message - - -"}},
		{"a document touched before is published as the transaction leaves it", []pgoutput.Message{
			insert(ordersID, "a", "acme", "1", null),
			insert(linesID, "1", "kept"),
			insert(linesID, "2", "gone"),
			names("soft", ""),
			names("n", ""),
			says(suppress),
			remove(ordersID, "a", "acme", null, null),
			insert(linesID, "1", "kept"),
			insert(ordersID, "gone", "acme", "2", null),
			insert(linesID, "3", "soft"),
			insert(ordersID, "n", "acme", "2", null),
		}, []string{
			"1100/0 orders a acme Order - deleted", "1100/1 orders kept looked-up Order open", "1100/2 orders gone acme Order closed",
			"1100/3 orders soft - - -", "1100/4 orders n acme Order closed",
		}},
		{"a message about a suppressed document publishes it", []pgoutput.Message{
			says(suppress),
			insert(ordersID, "a", "acme", "1", null),
			insert(linesID, "1", "kept"),
			names("a", `, "is_deletion": true`),
			names("kept", `, "domain": "message"`),
		}, []string{"1100/0 orders a acme Order open", "1100/1 orders kept message - -"}},
		{"messages of others", []pgoutput.Message{
			{Kind: pgoutput.KindMessage, Logical: pgoutput.LogicalMessage{Transactional: true, Prefix: []byte("changefeed2"), Content: []byte(suppress)}},
			insert(ordersID, "a", "acme", "1", null),
		}, []string{"1100/0 orders a acme Order open"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPipeline(t, messageConfig(), knownParents())
			if err := p.take(announcements()...); err != nil {
				t.Fatal(err)
			}
			end := p.commits(tt.messages...)
			p.commits(insert(ordersID, "next", "acme", "1", null)) // nothing is suppressed any more
			if diff := cmp.Diff(append(tt.want, "1200/0 orders next acme Order open"), fullSummaries(p.publishes())); diff != "" {
				t.Error(diff)
			}
			if p.flush != end+100 {
				t.Errorf("confirmed up to %d, want %d", p.flush, end+100)
			}
			if got := p.counters.malformed.Load() + p.counters.messagesIgnored.Load(); got != 0 {
				t.Errorf("%d messages were not heeded", got)
			}
		})
	}
}

// The lookups after a suppressed transaction have to see it: their parents may
// have been made in it.
func TestLookupsSeeSuppressedTransactions(t *testing.T) {
	lookup := knownParents()
	p := newPipeline(t, messageConfig(), lookup)
	_ = p.take(announcements()...)
	p.commits(says(suppress), insert(ordersID, "kept", "acme", "1", null), insert(linesID, "1", "kept"))
	p.commits(insert(linesID, "2", "kept"))
	p.publishes()
	want := []Seen{{Source: "main", Epoch: 1, XIDs: []uint64{1<<32 + 1100, 1<<32 + 1200}, LSN: 1200}}
	if diff := cmp.Diff(want, lookup.asked); diff != "" {
		t.Error(diff)
	}
	if got := p.counters.stats().Suppressed; got != 1 {
		t.Errorf("%d suppressed, want 1", got)
	}
}

func TestSuppressionHoldsAcrossPieces(t *testing.T) {
	cfg := messageConfig()
	cfg.PieceDocuments = 2
	p := newPipeline(t, cfg, knownParents())
	_ = p.take(announcements()...)
	p.commits(
		insert(ordersID, "a", "acme", "1", null), says(suppress),
		insert(ordersID, "b", "acme", "1", null),
		insert(ordersID, "a", "acme", "2", null), // in the second piece: suppressed
		insert(ordersID, "c", "acme", "1", null), names("m", ""),
	)
	if diff := cmp.Diff([]string{"1100/0 orders a acme Order open", "1100/4 orders m - - -"}, summaries(p.publishes())); diff != "" {
		t.Error(diff)
	}
	if got := p.counters.stats().Suppressed; got != 3 {
		t.Errorf("%d suppressed, want 3", got)
	}
}

func TestMessagesCountTowardsPieces(t *testing.T) {
	for _, content := range []string{
		`{"change": {"topic": "extra", "document_id": "a", "data_source_name": "n"}}`,
		suppress,
		`malformed, but no less a part of the log than another`,
	} {
		cfg := messageConfig()
		cfg.PieceBytes = len("a") + len("acme") + len("1") + len(content)
		p := newPipeline(t, cfg, knownParents())
		_ = p.take(announcements()...)
		rest := insert(ordersID, "a", "acme", "1", null)
		p.commits(insert(ordersID, "a", "acme", "1", null), says(content), rest)
		if got := summaries(p.publishes()); len(got) < 2 && content != suppress || strings.Count(strings.Join(got, "\n"), " a acme") > 2 {
			t.Errorf("%s: %q, want the order in two pieces", content, got)
		}
		if got := p.counters.suppressed.Load(); content == suppress && got != 1 {
			t.Errorf("%d suppressed, want that of the second piece", got)
		}
	}
}

func TestOrderGroupsComeOneAfterTheOther(t *testing.T) {
	cfg := messageConfig()
	cfg.Tables[0].Order, cfg.Tables[3].Order, cfg.Tables[2].Order = 3, 3, -1
	cfg.PieceDocuments = 5
	p := newPipeline(t, cfg, knownParents())
	_ = p.take(append(announcements(), relationOf(flagsID, "flags", "id*", "flags"))...)
	p.commits(
		insert(linesID, "1", "kept"), insert(auditID, "x", "y"), insert(ordersID, "a", "acme", "1", null),
		says(`{"change": {"topic": "extra", "document_id": "m", "data_source_name": "n"}}`), insert(flagsID, "f", "0"),
		insert(ordersID, "a", "acme", "2", null), insert(auditID, "z", "y"), // the second piece
	)
	want := []string{
		"1100/0 audit x/y - - - from sql main/public.audit", "1100/1 extra m - - - from sql n",
		"1100/2 orders kept looked-up Order open", "1100/3 orders a acme Order open", "1100/4 orders f - - - from sql main/public.flags",
		"1100/5 audit z/y - - - from sql main/public.audit", "1100/6 orders a acme Order closed",
	}
	if diff := cmp.Diff(want, fullSummaries(p.publishes())); diff != "" {
		t.Error(diff)
	}
}

func TestOrderGroupsShareNoTopic(t *testing.T) {
	cfg := testConfig()
	cfg.Tables[0].Order = 1
	cfg.Topics = []string{"a topic"}
	err := cfg.Validate()
	for _, part := range []string{"table public.flags: its order is 0, that of public.orders is 1", "topic orders", `"a topic"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not say %s", err, part)
		}
	}
	cfg = testConfig()
	cfg.Tables[1].Order = 1
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "order from the parent") {
		t.Errorf("a satellite with an order: %v", err)
	}
}

// logTo makes a pipeline's messages log into a buffer.
func (p *pipeline) logTo() *bytes.Buffer {
	var text bytes.Buffer
	p.messages.log = slog.New(slog.NewTextHandler(&text, nil))
	return &text
}

func TestMessagesThatAreNotHeededAreCountedAndSaidOnce(t *testing.T) {
	cfg := messageConfig()
	cfg.AllowSuppress = false
	p := newPipeline(t, cfg, knownParents())
	log := p.logTo()
	_ = p.take(announcements()...)
	immediate := names("i", "")
	immediate.Logical.Transactional = false
	for range 2 {
		if err := p.take(immediate); err != nil {
			t.Fatal(err)
		}
		p.commits(says(suppress), insert(ordersID, "a", "acme", "1", null))
	}
	if got := summaries(p.publishes()); len(got) != 2 {
		t.Errorf("published %q, want the order twice", got)
	}
	if got := p.counters.stats(); got.MessagesIgnored != 4 || got.Suppressed != 0 || got.Malformed != 0 {
		t.Errorf("counted %+v", got)
	}
	for _, part := range []string{"allow_suppress: true", "pg_logical_emit_message(true, 'changefeed'"} {
		if got := strings.Count(log.String(), part); got != 1 {
			t.Errorf("%q was said %d times, want once:\n%s", part, got, log)
		}
	}
}

func TestMalformedMessagesAreCountedAndSaidNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(t, messageConfig(), knownParents())
		log := p.logTo()
		_ = p.take(announcements()...)
		bad := says(`{"change": {"topic": "nowhere", "document_id": "a", "data_source_name": "n"}}`)
		p.commits(bad, insert(ordersID, "a", "acme", "1", null), bad)
		p.commits(bad, names("", ""))
		time.Sleep(malformedAgain)
		p.commits(bad)
		if diff := cmp.Diff([]string{"1100/0 orders a acme Order open"}, summaries(p.publishes())); diff != "" {
			t.Error(diff)
		}
		if got := p.counters.stats().Malformed; got != 5 {
			t.Errorf("%d malformed, want 5", got)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "messages=1") || !strings.Contains(lines[1], "messages=4") {
			t.Errorf("said %q", lines)
		}
		for _, part := range []string{"nowhere", "kafka.topics", "lsn=0/42"} {
			if !strings.Contains(lines[0], part) {
				t.Errorf("%q does not say %s", lines[0], part)
			}
		}
	})
}

func TestATransactionalMessageOutsideATransactionStopsThePublisher(t *testing.T) {
	p := newPipeline(t, messageConfig(), knownParents())
	if err := p.take(says(suppress)); !isProtocol(err) {
		t.Errorf("error %v", err)
	}
}

// Any number of data source names may be met, in as little memory as documents.
func TestNamesOfElsewhereAreNotKept(t *testing.T) {
	p := newPipeline(t, messageConfig(), knownParents())
	_ = p.take(announcements()...)
	var all []pgoutput.Message
	for i := range 2000 {
		all = append(all, says(fmt.Sprintf(`{"change": {"topic": "extra", "document_id": "a", "data_source_name": "n%d"}}`, i%1000)))
	}
	p.commits(all...)
	if got := len(p.publishes()); got != 1000 {
		t.Errorf("%d changes, want 1000", got)
	}
	if topic := p.messages.topics["extra"]; len(topic.sources) != 0 {
		t.Errorf("%d names are kept", len(topic.sources))
	}
}
