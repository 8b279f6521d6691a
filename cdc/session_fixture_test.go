package cdc_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cdc/cdctest"
	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// sinks makes the sinks of a publisher's sessions and keeps them.
type sinks struct {
	mu        sync.Mutex
	held      bool // new ones hold
	all       []*sink
	published map[string]bool // "topic id" of each change
	changed   chan struct{}   // closed and replaced when something was published
}

// sink is a memory sink that can also block its publisher.
type sink struct {
	*changefeed.MemorySink
	of     *sinks
	closed chan struct{}
	block  chan struct{} // Publish blocks until it is closed; nil: never
	seq    atomic.Uint64 // of the latest Publish
}

func (s *sink) Close() { close(s.closed) }

func (s *sink) Publish(ctx context.Context, seq uint64, changes []changefeed.Change) error {
	if s.block != nil {
		select {
		case <-s.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.seq.Store(seq)
	err := s.MemorySink.Publish(ctx, seq, changes)
	if err == nil {
		s.of.note(changes)
	}
	return err
}

func newSinks() *sinks {
	return &sinks{published: make(map[string]bool), changed: make(chan struct{})}
}

func (s *sinks) open(acked changefeed.Acked) (cdc.Sink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	made := &sink{MemorySink: changefeed.NewMemorySink(acked), of: s, closed: make(chan struct{})}
	if s.held {
		made.Hold()
	}
	s.all = append(s.all, made)
	return made, nil
}

func (s *sinks) note(changes []changefeed.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range changes {
		s.published[changes[i].Topic+" "+strings.Clone(changes[i].Meta.DocumentID)] = true
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until any of the sinks has a change of a document.
func (s *sinks) await(ctx context.Context, topic, id string) error {
	for {
		s.mu.Lock()
		there, changed := s.published[topic+" "+id], s.changed
		s.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// last returns the sink of the latest session.
func (s *sinks) last() *sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[len(s.all)-1]
}

// changes returns what all sinks got, in order.
func (s *sinks) changes() (all []changefeed.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		all = append(all, one.Changes()...)
	}
	return all
}

// logText is a log that can be read while it is written.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// clear begins the log anew.
func (l *logText) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// scripted is a publisher on a scripted server, in a bubble.
type scripted struct {
	*testing.T
	server    *cdctest.Walsender
	publisher *cdc.Publisher
	sinks     *sinks
	log       *logText
	stop      context.CancelFunc
	done      chan struct{} // closed when Run has returned err
	err       error
}

// script runs a test with a publisher that has not been started, in a bubble.
func script(t *testing.T, change func(*cdc.Config, *cdc.Deps), test func(*testing.T, *scripted)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{T: t, server: cdctest.NewWalsender("changefeed_main"), sinks: newSinks(), log: &logText{}, done: make(chan struct{})}
		cfg := cdc.Config{Source: "main", DSN: cdctest.DSN, Tables: []cdc.Table{{
			Name: cdc.TableName{Schema: "public", Name: "orders"}, Topic: "orders", DocumentID: []string{"id"},
		}}}
		deps := cdc.Deps{OpenSink: s.sinks.open, Dial: s.server.Dial, Log: slog.New(slog.NewTextHandler(s.log, nil))}
		if change != nil {
			change(&cfg, &deps)
		}
		var err error
		if s.publisher, err = cdc.New(cfg, deps); err != nil {
			t.Fatal(err)
		}
		test(t, s)
		if s.stop != nil {
			s.stop()
			for _, sink := range s.sinks.all {
				sink.Release()
			}
			<-s.done
		}
		s.server.Close()
		s.server.Check(t)
		for _, sink := range s.sinks.all {
			select {
			case <-sink.closed:
			default:
				t.Error("a sink is left open")
			}
		}
	})
}

// run starts the publisher.
func (s *scripted) run() {
	ctx, stop := context.WithCancel(s.Context())
	s.stop = stop
	go func() {
		defer close(s.done)
		s.err = s.publisher.Run(ctx)
	}()
}

// streaming starts the publisher and returns its stream.
func (s *scripted) streaming() *cdctest.Stream {
	s.Helper()
	s.run()
	return s.nextStream()
}

// nextStream returns the next stream, when the publisher is ready for it.
func (s *scripted) nextStream() *cdctest.Stream {
	s.Helper()
	stream := s.server.Stream(s.T)
	synctest.Wait()
	return stream
}

// fails waits for the end of the publisher, which must be this error, nil for any,
// with these words in it and the password of the DSN not.
func (s *scripted) fails(want error, words ...string) {
	s.Helper()
	<-s.done
	err := s.err
	if !errors.Is(err, want) && want != nil || want == nil && err == nil {
		s.Fatalf("Run = %v, want %v", err, want)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			s.Errorf("Run = %v, does not say %q", err, word)
		}
	}
	if strings.Contains(err.Error()+s.log.String(), "secret") {
		s.Errorf("the password is in %q or in the log", err)
	}
}

// ends waits for the end of the publisher without an error.
func (s *scripted) ends() {
	s.Helper()
	if <-s.done; s.err != nil {
		s.Fatalf("Run = %v", s.err)
	}
}

// said returns how often the log has a line with this text.
func (s *scripted) said(text string) int {
	return strings.Count(s.log.String(), text)
}

// wantState compares the publisher's state.
func (s *scripted) wantState(want string) {
	s.Helper()
	synctest.Wait()
	if got := s.publisher.Stats().State; got != want {
		s.Errorf("state is %q, want %q", got, want)
	}
}

// The messages of a transaction on orders.
var ordersRelation = pgoutput.Message{Kind: pgoutput.KindRelation, Relation: pgoutput.Relation{
	ID: 1, Namespace: "public", Name: "orders", ReplicaIdentity: pgoutput.IdentityDefault,
	Columns: []pgoutput.Column{{Name: "id", Key: true, TypeOID: 25}},
}}

func begin(lsn uint64) pgoutput.Message {
	return pgoutput.Message{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: lsn, XID: 7}}
}

func inserted(id string) pgoutput.Message {
	return pgoutput.Message{Kind: pgoutput.KindInsert, Insert: pgoutput.Insert{RelationID: 1, New: pgoutputtest.Row(id)}}
}

func commit(lsn, end uint64) pgoutput.Message {
	return pgoutput.Message{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{CommitLSN: lsn, EndLSN: end}}
}

// transaction is one that inserts orders, with its commit record from lsn to end.
func transaction(lsn, end uint64, ids ...string) []pgoutput.Message {
	messages := []pgoutput.Message{begin(lsn), ordersRelation}
	for _, id := range ids {
		messages = append(messages, inserted(id))
	}
	return append(messages, commit(lsn, end))
}

func ids(changes []changefeed.Change) (ids []string) {
	for i := range changes {
		ids = append(ids, changes[i].Meta.DocumentID)
	}
	return ids
}

func (s *scripted) wantIDs(want ...string) {
	s.Helper()
	synctest.Wait()
	if got := ids(s.sinks.changes()); !slices.Equal(got, want) {
		s.Errorf("published %q, want %q", got, want)
	}
}

// intervals returns the times between statuses.
func intervals(statuses []cdctest.Status) (gaps []time.Duration) {
	for i := 1; i < len(statuses); i++ {
		gaps = append(gaps, statuses[i].At.Sub(statuses[i-1].At))
	}
	return gaps
}
