package cdc_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed"
	"changefeed/cdc"
)

// live is a publisher on a real server.
type live struct {
	*setupDB
	publisher *cdc.Publisher
	sinks     *sinks
	log       *logText
	fences    int
	stop      context.CancelFunc
	done      chan struct{} // closed when Run has returned err
	err       error
}

const fenceTopic = "fence"

// newLive sets a database up for these routes, and for fences. The publisher is
// not started.
func newLive(t *testing.T, sql string, routes ...cdc.Table) *live {
	t.Helper()
	db := newSetupDB(t, sql+";\nCREATE TABLE fence (id int PRIMARY KEY)", append(routes, fenceRoute())...)
	db.cfg.StatusInterval = 10 * time.Millisecond
	return &live{setupDB: db, sinks: newSinks(), log: &logText{}}
}

func fenceRoute() cdc.Table {
	fence := routed("fence", "id")
	fence.Topic = fenceTopic
	return fence
}

// deps are those of a publisher whose parents are read from the database.
func (l *live) deps() cdc.Deps {
	deps := cdc.Deps{OpenSink: l.sinks.open, Log: slog.New(slog.NewTextHandler(l.log, nil)), Parents: map[cdc.TableName]cdc.ParentLookup{}}
	for i := range l.cfg.Tables {
		if t := &l.cfg.Tables[i]; !t.Satellite() && len(t.DocumentID) == 1 {
			deps.Parents[t.Name] = &sqlParents{dsn: l.cfg.DSN, table: t}
		}
	}
	return deps
}

// start starts a publisher and waits until it streams.
func (l *live) start() {
	l.Helper()
	l.startWith(l.deps())
	l.fence()
}

// startWith starts a publisher with other dependencies.
func (l *live) startWith(deps cdc.Deps) {
	l.Helper()
	var err error
	if l.publisher, err = cdc.New(l.cfg, deps); err != nil {
		l.Fatal(err)
	}
	l.run()
}

// run starts the publisher that is there.
func (l *live) run() {
	l.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l.stop, l.done = stop, make(chan struct{})
	go func() {
		defer close(l.done)
		l.err = l.publisher.Run(ctx)
	}()
	l.Cleanup(func() {
		stop()
		<-l.done
	})
}

// drain stops the publisher.
func (l *live) drain() {
	l.Helper()
	l.stop()
	if <-l.done; l.err != nil {
		l.Fatalf("Run = %v\n%s", l.err, l.log)
	}
}

// fence waits until everything that was committed before has been published: it
// commits a row and waits for that.
func (l *live) fence() {
	l.Helper()
	l.fences++
	l.exec("INSERT INTO fence VALUES (" + strconv.Itoa(l.fences) + ")")
	ctx, cancel := context.WithTimeout(l.Context(), 20*time.Second)
	defer cancel()
	if err := l.sinks.await(ctx, fenceTopic, strconv.Itoa(l.fences)); err != nil {
		l.Fatalf("fence %d was not published in time: %+v\n%s", l.fences, l.publisher.Stats(), l.log)
	}
}

// published returns the changes of all sinks without fences.
func (l *live) published() (all []changefeed.Change) {
	for _, c := range l.sinks.changes() {
		if c.Topic != fenceTopic {
			all = append(all, c)
		}
	}
	return all
}

// countedDials opens connections and keeps what is written on them.
type countedDials struct{ text logText }

func (d *countedDials) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &countedConn{Conn: conn, text: &d.text}, err
}

// written returns how often a text was written.
func (d *countedDials) written(text string) int { return strings.Count(d.text.String(), text) }

type countedConn struct {
	net.Conn
	text *logText
}

func (c *countedConn) Write(p []byte) (int, error) {
	_, _ = c.text.Write(p)
	return c.Conn.Write(p)
}

// sqlParents looks parents up in their table.
type sqlParents struct {
	dsn   string
	table *cdc.Table
}

func (p *sqlParents) Columns(ctx context.Context, at cdc.Seen, ids, columns []string) (_ [][]changefeed.Text, err error) {
	conn, err := pgx.Connect(ctx, p.dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	for visible := false; !visible; {
		err := conn.QueryRow(ctx, `SELECT coalesce(bool_and(pg_visible_in_snapshot(x::text::xid8, pg_current_snapshot())), true)
			FROM unnest($1::bigint[]) AS x`, at.XIDs).Scan(&visible)
		if err != nil {
			return nil, err
		}
	}
	var list strings.Builder
	for _, name := range columns {
		list.WriteString(", " + cdc.QuoteIdent(name) + "::text")
	}
	id := cdc.QuoteIdent(p.table.DocumentID[0])
	out := make([][]changefeed.Text, len(ids))
	for i := range ids {
		row := make([]changefeed.Text, len(columns))
		into := []any{new(string)}
		values := make([]*string, len(columns))
		for j := range values {
			into = append(into, &values[j])
		}
		err := conn.QueryRow(ctx, "SELECT "+id+"::text"+list.String()+" FROM "+p.table.Name.SQL()+" WHERE "+id+"::text = $1", ids[i]).Scan(into...)
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		} else if err != nil {
			return nil, err
		}
		for j, value := range values {
			if value != nil {
				row[j] = changefeed.NewText(*value)
			}
		}
		out[i] = row
	}
	return out, nil
}
