package cdc_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cdc/cdctest"
	"changefeed/cdc/internal/pgoutput"
)

// resumed is a publisher that remembers, on a scripted server, in a bubble. It
// can be killed and started again, as often as a test likes.
type resumed struct {
	testing.TB
	server      *cdctest.Walsender
	topics      *cdctest.Topics
	checkpoints *cdctest.Checkpoints
	cfg         cdc.Config
	deps        cdc.Deps
	log         *logText

	publisher *cdc.Publisher // nil: none runs
	stop      context.CancelFunc
	done      chan error
}

const (
	ordersTopic = "orders"
	itemsTopic  = "items"
	partitions  = 3
)

// newResumed must be called in a bubble. end has to be called at the end.
func newResumed(tb testing.TB) *resumed {
	tb.Helper()
	public := func(name string) cdc.TableName { return cdc.TableName{Schema: "public", Name: name} }
	r := &resumed{
		TB: tb, server: cdctest.NewWalsender("changefeed_main"), log: &logText{},
		topics: cdctest.NewTopics(partitions, ordersTopic, itemsTopic), checkpoints: cdctest.NewCheckpoints(),
		cfg: cdc.Config{Source: "main", DSN: cdctest.DSN, PieceDocuments: 4, Tables: []cdc.Table{
			{Name: public("orders"), Topic: ordersTopic, DocumentID: []string{"id"}},
			{Name: public("items"), Topic: itemsTopic, DocumentID: []string{"id"}},
		}},
	}
	r.deps = cdc.Deps{
		OpenSink: r.topics.Open, Checkpoints: r.checkpoints, Tails: r.topics,
		Dial: r.server.Dial, Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	return r
}

// resuming runs a test with a publisher that remembers, which has not been
// started.
func resuming(t *testing.T, test func(*testing.T, *resumed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newResumed(t)
		defer r.end()
		test(t, r)
	})
}

// start starts a publisher.
func (r *resumed) start() {
	r.Helper()
	p, err := cdc.New(r.cfg, r.deps)
	if err != nil {
		r.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.publisher, r.stop, r.done = p, stop, make(chan error, 1)
	done := r.done
	go func() { done <- p.Run(ctx) }()
}

// stream starts a publisher unless one runs, and returns its stream when it is
// read.
func (r *resumed) stream() *cdctest.Stream {
	r.Helper()
	if r.publisher == nil {
		r.start()
	}
	stream := r.server.Stream(r.TB)
	synctest.Wait()
	return stream
}

// crash ends the publisher as the death of its process does: nothing is drained,
// confirmed or saved any more.
func (r *resumed) crash() {
	if r.publisher == nil {
		return
	}
	r.server.SetUnreachable(errors.New("the process is dead"))
	r.server.CutAll()
	synctest.Wait()
	r.stop()
	if err := <-r.done; err != nil {
		r.Errorf("Run = %v", err)
	}
	r.publisher = nil
	r.server.SetUnreachable(nil)
}

// drain stops the publisher in order.
func (r *resumed) drain() {
	r.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.Fatalf("Run = %v\n%s", err, r.log)
	}
	r.publisher = nil
}

func (r *resumed) end() {
	r.crash()
	r.server.Close()
	r.server.Check(r)
}

// said returns how often the log has a line with this text.
func (r *resumed) said(text string) int { return strings.Count(r.log.String(), text) }

// wantEach compares what the topics hold, each change written as
// "epoch/LSN/ordinal document", whatever the partition, in the order of positions.
func (r *resumed) wantEach(want ...string) {
	r.Helper()
	synctest.Wait()
	var got []string
	all := r.everything()
	slices.SortStableFunc(all, func(a, b changefeed.Change) int { return a.Position.Compare(b.Position) })
	for i := range all {
		p := all[i].Position
		got = append(got, strconv.Itoa(int(p.Epoch))+"/"+strconv.FormatUint(p.LSN, 16)+"/"+strconv.FormatUint(p.Ordinal, 10)+" "+all[i].Meta.DocumentID)
	}
	if !slices.Equal(got, want) {
		r.Errorf("the topics hold\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), r.log)
	}
}

func (r *resumed) everything() (all []changefeed.Change) {
	for _, topic := range []string{ordersTopic, itemsTopic} {
		for _, log := range r.topics.Partitions(topic) {
			all = append(all, log...)
		}
	}
	return all
}

var itemsRelation = pgoutput.Message{Kind: pgoutput.KindRelation, Relation: pgoutput.Relation{
	ID: 2, Namespace: "public", Name: "items", ReplicaIdentity: pgoutput.IdentityDefault,
	Columns: []pgoutput.Column{{Name: "id", Key: true, TypeOID: 25}},
}}
