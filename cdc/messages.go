package cdc

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"

	"changefeed"
	"changefeed/cdc/internal/pgoutput"
)

// messagePrefix is that of the logical messages that are for a publisher. Others
// are other programs'.
const messagePrefix = "changefeed"

// malformedAgain is the least time between two warnings about messages that
// cannot be read, which any role can write as many of as it likes.
const malformedAgain = time.Minute

// messages is what a publisher knows about logical messages, from session to
// session. It belongs to the goroutine that reads the log.
type messages struct {
	topics        map[string]*messageTopic
	allowSuppress bool
	counters      *counters
	log           *slog.Logger

	saidSuppress  bool // that suppression is not allowed
	saidImmediate bool // that a message was not transactional
	saidMalformed time.Time
	malformed     uint64 // since then
}

// messageTopic is a topic that messages may publish on.
type messageTopic struct {
	sources map[string]*route // by the data source names of the topic's tables
	only    *route            // where that is one
	foreign *route            // for all other names
}

// newMessages prepares for the messages of a valid configuration, whose routes
// get what messages about their documents need.
func newMessages(cfg *Config, routes map[TableName]*route, c *counters, log *slog.Logger) *messages {
	m := &messages{topics: make(map[string]*messageTopic), allowSuppress: cfg.AllowSuppress, counters: c, log: log}
	group := uint64(len(cfg.Tables)) // tables have those below
	topic := func(name string, order int) *messageTopic {
		if m.topics[name] == nil {
			foreign := newMessageRoute(name, order, group)
			foreign.foreign = true
			m.topics[name] = &messageTopic{sources: make(map[string]*route), foreign: foreign}
			group++
		}
		return m.topics[name]
	}
	for i := range cfg.Tables {
		r := routes[cfg.Tables[i].Name]
		if r.table.Satellite() {
			continue
		}
		r.message = newMessageRoute(r.table.Topic, r.table.Order, r.group)
		r.message.sourceName, r.message.folds, r.message.rows = r.sourceName, r.folds, r
		topic(r.table.Topic, r.table.Order).add(r)
	}
	for _, name := range cfg.Topics {
		topic(name, 0)
	}
	return m
}

// add takes a table of the topic. Tables with one data source name share their
// documents, so one serves for all.
func (t *messageTopic) add(r *route) {
	if have := t.sources[r.sourceName]; have == nil || !have.folds {
		t.sources[r.sourceName] = r.message
	}
	if t.only = nil; len(t.sources) == 1 {
		t.only = t.sources[r.sourceName]
	}
}

// message takes a logical message. Whatever is wrong with its content is no
// error: it is anyone's input.
func (a *assembler) message(m *pgoutput.LogicalMessage) error {
	if m.Transactional && !a.tx.open {
		return fmt.Errorf("%w: transactional message at %s outside a transaction", ErrProtocol, pglogrepl.LSN(m.LSN))
	}
	if string(m.Prefix) != messagePrefix {
		return nil
	}
	if !m.Transactional {
		a.messages.notTransactional(m)
		return nil
	}
	a.tx.bytes += len(m.Content) // of every one: only the log decides where pieces end
	content, err := parseMessage(m.Content)
	switch {
	case err != nil:
	case content.suppress:
		a.tx.suppressed = a.messages.suppresses(m)
	default:
		err = a.published(content.change)
	}
	if err != nil {
		a.messages.isMalformed(m, err)
	}
	return nil
}

// published takes the change that a message gives. What the document's rows in
// the same transaction say, before or after it, is what the database holds, and
// comes first; what a lookup finds for a satellite's sake too. Where there is
// neither, the latest message's word is published.
func (a *assembler) published(c *messageChange) error {
	r, err := a.messages.route(c)
	if err != nil {
		return err
	}
	a.id = a.id[:0]
	if r.foreign {
		a.id = append(append(a.id, c.dataSourceName.String...), foreignSeparator...)
	}
	a.id = append(a.id, c.documentID...)
	doc, _ := a.docs.touch(r, a.id)
	if doc.suppressed { // by name it is asked for, but not because of a satellite
		doc.suppressed, doc.lookup = false, doc.lookup && doc.hasRow
	}
	if doc.hasRow {
		return nil
	}
	if doc.lookup {
		r = doc.route.reads().message
	}
	doc.route, doc.deleted = r, c.isDeletion
	for i, value := range [...]changefeed.Text{
		messageDomain: c.domain, messageType: c.documentType, messageSubtype: c.documentSubtype, messageSourceType: c.dataSourceType,
	} {
		if doc.values[i] = (span{length: spanNull}); value.Valid {
			a.docs.text, doc.values[i] = appendSpan(a.docs.text, value.String)
		}
	}
	return nil
}

// route returns the message route of a change: that of the table with its topic
// and data source name, else the topic's for foreign names.
func (m *messages) route(c *messageChange) (*route, error) {
	t := m.topics[c.topic]
	switch {
	case t == nil:
		return nil, fmt.Errorf("topic %s is not one of the source: give a table a route to it, or list it under kafka.topics", quoted(c.topic))
	case !c.dataSourceName.Valid && t.only == nil:
		return nil, fmt.Errorf("data_source_name is missing, and topic %s does not have one alone", quoted(c.topic))
	case !c.dataSourceName.Valid:
		return t.only, nil
	}
	if r := t.sources[c.dataSourceName.String]; r != nil {
		return r, nil
	}
	return t.foreign, nil
}

// suppresses reports whether a suppress message is heeded.
func (m *messages) suppresses(at *pgoutput.LogicalMessage) bool {
	if m.allowSuppress {
		return true
	}
	m.counters.messagesIgnored.Add(1)
	if !m.saidSuppress {
		m.saidSuppress = true
		m.log.Warn("suppress message is ignored, the rows after it are published: set allow_suppress: true for the source to heed it, "+
			"after \"changefeed check\" has told which roles could then hide changes", "lsn", pglogrepl.LSN(at.LSN).String())
	}
	return false
}

// notTransactional counts a message that may belong to a transaction that was
// rolled back.
func (m *messages) notTransactional(at *pgoutput.LogicalMessage) {
	m.counters.messagesIgnored.Add(1)
	if !m.saidImmediate {
		m.saidImmediate = true
		m.log.Warn("message that is not transactional is ignored: emit it with pg_logical_emit_message(true, '"+messagePrefix+"', …), "+
			"or call changefeed.publish or changefeed.suppress", "lsn", pglogrepl.LSN(at.LSN).String())
	}
}

// isMalformed counts a message that cannot be read.
func (m *messages) isMalformed(at *pgoutput.LogicalMessage, reason error) {
	m.counters.malformed.Add(1)
	m.malformed++
	if !m.saidMalformed.IsZero() && time.Since(m.saidMalformed) < malformedAgain {
		return
	}
	m.log.Warn("malformed message is ignored: call changefeed.publish or changefeed.suppress, which write them rightly",
		"error", reason, "lsn", pglogrepl.LSN(at.LSN).String(), "messages", m.malformed)
	m.saidMalformed, m.malformed = time.Now(), 0
}

// foreignSeparator stands between the data source name and the document id in
// the id of a foreign document. Neither can hold it.
const foreignSeparator = "\x00"

// splitForeign takes the id of a foreign document apart.
func splitForeign(id string) (sourceName, documentID string) {
	sourceName, documentID, _ = strings.Cut(id, foreignSeparator)
	return sourceName, documentID
}

// The attributes of a message route.
const (
	messageDomain = iota
	messageType
	messageSubtype
	messageSourceType
)

// newMessageRoute makes a route whose attributes are what a message gives. Its
// documents are found again by the rows of routes with the same group.
func newMessageRoute(topic string, order int, group uint64) *route {
	const domain, docType, docSubtype, sourceType = "domain", "document_type", "document_subtype", "data_source_type"
	return &route{
		table: &Table{
			Topic: topic, Order: order,
			Domain: Value{Column: domain}, DocumentType: Value{Column: docType}, DocumentSubtype: Value{Column: docSubtype},
		},
		group: group, folds: true,
		attributes: []string{messageDomain: domain, messageType: docType, messageSubtype: docSubtype, messageSourceType: sourceType},
		domain:     messageDomain, docType: messageType, docSubtype: messageSubtype, sourceType: messageSourceType,
		deletion: -1,
	}
}
