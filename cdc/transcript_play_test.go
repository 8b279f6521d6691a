package cdc_test

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cdc/setup"
	"changefeed/docstore"
	"changefeed/docstore/postgres"
)

// player plays a transcript to a publisher.
type player struct {
	*live

	script   *transcriptFile
	yaml     string               // the routes as they are by now
	sessions map[string]*pgx.Conn // of the application, by prompt
	pool     *pgxpool.Pool        // for lookups
	said     *warnings
	position string // in the log, that was told last
	running  bool
	seen     int // changes that were told
	told     int // warnings that were told
	stats    cdc.Stats
	commits  map[uint64]commitOf // by commit LSN
}

// commitOf is a transaction of which changes were told.
type commitOf struct {
	number int // as they come, from 1
	xid    uint64
}

// scriptSlot is the name that transcripts have for the slot, which has one of its
// own in each run.
const scriptSlot = "changefeed_slot"

// somePosition stands for a position in the log. In SQL it is the last one that was
// told.
const somePosition = "<lsn>"

var (
	logPosition = regexp.MustCompile(`\b[0-9A-F]{1,8}/[0-9A-F]{6,8}\b`)
	process     = regexp.MustCompile(`\b(process|PID) [0-9]+`)
)

// redact takes out what differs from run to run, and remembers the last position.
func (p *player) redact(text string) string {
	text = strings.ReplaceAll(text, p.cfg.Slot, scriptSlot)
	if found := logPosition.FindAllString(text, -1); found != nil {
		p.position = found[len(found)-1]
	}
	return process.ReplaceAllString(logPosition.ReplaceAllString(text, somePosition), "$1 <pid>")
}

func newPlayer(t *testing.T, dsn string, script *transcriptFile) *player {
	t.Helper()
	db := setupOn(t, dsn, "", readTables(t, script.tables)...)
	db.cfg.StatusInterval = 2 * time.Millisecond // it is waited for after each step
	db.cfg.PieceDocuments, db.cfg.AllowSuppress, db.cfg.Topics = script.pieces, script.suppress, script.topics
	p := &player{
		pool: lookupPool(t, dsn), yaml: script.tables, live: &live{setupDB: db, sinks: newSinks()}, script: script, said: &warnings{}, commits: make(map[uint64]commitOf),
		sessions: map[string]*pgx.Conn{sqlPrompt: applicationSession(t, dsn), otherPrompt: applicationSession(t, dsn)},
	}
	if refused := p.run(p.sessions[sqlPrompt], script.schema); refused != nil {
		t.Fatalf("%s: %s", schemaSection, refused[0])
	}
	return p
}

// applicationSession is a session as the application has it, with settings of the
// database's.
func applicationSession(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

func lookupPool(t *testing.T, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg, err := postgres.ConnConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// playAll plays the steps and returns what came of each entry.
func (p *player) playAll() [][]string {
	p.Helper()
	var outputs [][]string
	for i := range p.script.entries {
		if e := &p.script.entries[i]; e.prompt != "" {
			outputs = append(outputs, p.play(e))
		} else {
			outputs = append(outputs, nil)
		}
	}
	if p.running {
		p.drain()
	}
	return outputs
}

// play plays one step and returns what came of it.
func (p *player) play(e *entry) (output []string) {
	p.Helper()
	if e.prompt == commandPrompt {
		output = p.command(e.input[0])
	} else {
		output = p.run(p.sessions[e.prompt], strings.Join(e.input, "\n"))
	}
	ended := p.settle()
	changes := p.changes()
	output = slices.Concat(output, changes, p.warned(), p.counted(len(changes)), ended)
	text := p.redact(strings.Join(output, "\n"))
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
}

// run runs SQL. It is a simple query, so that several statements without BEGIN are
// one transaction.
func (p *player) run(session *pgx.Conn, sql string) []string {
	p.Helper()
	sql = strings.NewReplacer(scriptSlot, p.cfg.Slot, somePosition, p.position).Replace(sql)
	_, err := session.PgConn().Exec(p.Context(), sql).ReadAll()
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return []string{strings.TrimSpace(refused.Severity + ": " + refused.Message + "\n" + refused.Detail)}
	} else if err != nil {
		p.Fatal(err)
	}
	return nil
}

// command runs what an operator does.
func (p *player) command(line string) []string {
	p.Helper()
	edit := substitution.FindStringSubmatch(line)
	switch {
	case line == "changefeed check":
		return p.check()
	case line == "changefeed init":
		return p.setUp()
	case line == "changefeed publish":
		return p.launch()
	case line == "^C":
		p.stop()
		<-p.done
	case edit != nil && strings.Contains(p.yaml, edit[1]):
		p.yaml = strings.ReplaceAll(p.yaml, edit[1], strings.ReplaceAll(edit[2], `\n`, "\n"))
		p.cfg.Tables = readTables(p.T, p.yaml)
	default:
		p.Fatalf("%s: no such command, or nothing to be replaced", line)
	}
	return nil
}

var substitution = regexp.MustCompile(`^sed -i 's/([^/]+)/([^/]*)/' changefeed\.yaml$`)

// check tells the findings, without those about the server and the role, which are
// those of the tests.
func (p *player) check() (lines []string) {
	p.Helper()
	for _, f := range p.preflight().Findings {
		if f.Subject != "server" && !strings.HasPrefix(f.Subject, "role ") {
			lines = append(lines, f.String())
		}
	}
	return lines
}

// setUp makes publications, identities and slot.
func (p *player) setUp() (lines []string) {
	p.Helper()
	steps, err := setup.Plan(p.Context(), p.conn, p.cfg)
	if err != nil {
		return []string{err.Error()}
	}
	for i := range steps {
		if steps[i].Warning != "" {
			lines = append(lines, "note: "+steps[i].Warning)
		}
	}
	if err := setup.Apply(p.Context(), p.conn, steps, slog.New(slog.DiscardHandler)); err != nil {
		lines = append(lines, err.Error())
	}
	return lines
}

// launch starts a publisher, unless preflight refuses.
func (p *player) launch() []string {
	p.Helper()
	if p.running {
		p.Fatal("the publisher is running")
	}
	if err := p.preflight().Err(); err != nil {
		return []string{err.Error()}
	}
	p.startWith(cdc.Deps{OpenSink: p.sinks.open, Parents: p.lookups(), Log: slog.New(p.said)})
	p.running, p.stats = true, cdc.Stats{}
	return nil
}

// lookups are those of the program: each table with documents of its own has one.
func (p *player) lookups() map[cdc.TableName]cdc.ParentLookup {
	p.Helper()
	lookups := make(map[cdc.TableName]cdc.ParentLookup)
	epoch := postgres.NewEpoch(nil)
	for i := range p.cfg.Tables {
		t := &p.cfg.Tables[i]
		if t.Satellite() {
			continue
		}
		store, err := postgres.New(postgres.Config{
			Source: p.cfg.Source, Schema: t.Name.Schema, Table: t.Name.Name, ID: t.DocumentID, Epoch: epoch,
			Primary: p.pool, Log: slog.New(p.said),
		})
		if err != nil {
			p.Fatal(err)
		}
		lookups[t.Name] = storeLookup{store}
	}
	return lookups
}

// storeLookup reads rows from a document store.
type storeLookup struct{ store *postgres.RowStore }

// Columns implements cdc.ParentLookup.
func (l storeLookup) Columns(ctx context.Context, at cdc.Seen, ids, columns []string) ([][]changefeed.Text, error) {
	return l.store.Columns(ctx, docstore.Horizon{at.Source: {Epoch: at.Epoch, XIDs: at.XIDs, LSN: at.LSN}}, ids, columns)
}

// settle waits until everything that was committed before has been published,
// acknowledged and confirmed, or the publisher has ended. It then tells why.
func (p *player) settle() []string {
	p.Helper()
	if !p.running {
		return nil
	}
	select {
	case <-p.done:
	default:
		p.confirm()
	}
	select {
	case <-p.done:
		p.running = false
		p.awaitFreeSlot()
		if p.err != nil {
			return []string{"stopped: " + p.err.Error()}
		}
	default:
	}
	return nil
}

// awaitFreeSlot waits until the server has noticed that the publisher is gone.
func (p *player) awaitFreeSlot() {
	p.Helper()
	p.until("the slot is free", func() bool {
		return p.text("SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1 AND active", p.cfg.Slot) == "0"
	})
}

// confirm writes a message of nobody's into the log and waits until the publisher
// has confirmed it, and with it everything that was committed before, or has ended.
func (p *player) confirm() {
	p.Helper()
	message := p.lsn("pg_logical_emit_message(true, 'fence', '')")
	p.until("everything is confirmed", func() bool {
		select {
		case <-p.done:
			return true
		default:
			return p.publisher.Stats().FlushedLSN >= message
		}
	})
}
