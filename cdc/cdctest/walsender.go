// Package cdctest has a walsender that a test scripts: a PostgreSQL server
// reduced to what a publisher says to one. It speaks the wire protocol over
// pipes in memory, so it can be used in a testing/synctest bubble.
//
//	server := cdctest.NewWalsender("changefeed_main")
//	defer server.Close()
//	… cdc.Deps{Dial: server.Dial, …}
//	stream := server.Stream(t)
//	stream.Send(0x100, …)
//
// The pipes hold nothing: what is sent to a publisher that does not read blocks.
package cdctest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgproto3"
)

// DSN is a connection string for a publisher that dials a Walsender.
const DSN = "postgres://publisher:secret@127.0.0.1:5432/app?sslmode=disable"

// Walsender is a server with one slot, which is free, and some publications.
type Walsender struct {
	streams     chan *Stream
	connections sync.WaitGroup

	mu           sync.Mutex
	publications []string
	unreachable  error
	rejection    *pgproto3.ErrorResponse
	holder       int // PID that has the slot, 0 for none
	slotMissing  bool
	nextXID      uint64
	version      string
	system       string
	timeline     int
	history      string // of the timeline
	logEnd       uint64
	confirmed    uint64                // of the slot
	answers      map[string][][]string // by a text in the query
	mute         bool
	waits        string
	open         map[net.Conn]bool
	attempts     int
	refusals     int
	startup      map[string]string
	unexpected   []error
}

// NewWalsender makes a server. Close it at the end.
func NewWalsender(publications ...string) *Walsender {
	return &Walsender{
		publications: publications,
		streams:      make(chan *Stream, 16),
		nextXID:      1 << 32,
		version:      "15.0",
		system:       "7000000000000000000",
		timeline:     1,
		logEnd:       1 << 40,
		answers: map[string][][]string{
			OfSlot:        {{"reserved", "", "0/100", "0/100", "0/100", "-1", ""}},
			OfOldest:      {{"publisher", "f", "", "", "", "0"}},
			OfUnpublished: nil,
		},
		open: make(map[net.Conn]bool),
	}
}

// What tells the queries that a publisher watches its slot with: the slot's row,
// the oldest transaction, routed tables that are not published.
const (
	OfSlot        = "safe_wal_size"
	OfOldest      = "pg_prepared_xacts"
	OfUnpublished = "pg_partition_tree"
)

// SetAnswer makes the server answer queries that one of the texts above tells
// with these rows.
func (w *Walsender) SetAnswer(query string, rows ...[]string) {
	w.set(func() { w.answers[query] = rows })
}

// Close cuts all connections and waits until nothing runs any more.
func (w *Walsender) Close() {
	w.mu.Lock()
	w.unreachable = errors.New("server is closed")
	w.mu.Unlock()
	w.CutAll()
	w.connections.Wait()
}

// Dial connects to the server, whatever the address.
func (w *Walsender) Dial(context.Context, string, string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts++
	if w.unreachable != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: w.unreachable}
	}
	client, server := net.Pipe()
	w.open[server] = true
	w.connections.Go(func() {
		if err := w.serve(server); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.ErrClosedPipe) {
			w.mu.Lock()
			w.unexpected = append(w.unexpected, err)
			w.mu.Unlock()
		}
		server.Close()
		w.mu.Lock()
		delete(w.open, server)
		w.mu.Unlock()
	})
	return client, nil
}

// SetUnreachable makes connections fail with err from now on, or succeed again
// where it is nil.
func (w *Walsender) SetUnreachable(err error) {
	w.set(func() { w.unreachable = err })
}

// CutAll ends all connections without a word, as a crash does.
func (w *Walsender) CutAll() {
	w.set(func() {
		for conn := range w.open {
			conn.Close()
		}
	})
}

// SetRejection makes the server refuse new connections with an error, or accept
// them again where code is empty.
func (w *Walsender) SetRejection(code, message string) {
	w.set(func() {
		w.rejection = nil
		if code != "" {
			w.rejection = &pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: message}
		}
	})
}

// SetHolder gives the slot to a process, or frees it where pid is 0.
func (w *Walsender) SetHolder(pid int) { w.set(func() { w.holder = pid }) }

// SetMute makes the server's streams answer nothing that is asked, as one that is
// at work on its log or has lost the connection, or answer again. To who looks at
// the process meanwhile, waits is the type of what it waits for.
func (w *Walsender) SetMute(mute bool, waits string) {
	w.set(func() { w.mute, w.waits = mute, waits })
}

func (w *Walsender) isMute() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mute
}

// DropSlot removes the slot.
func (w *Walsender) DropSlot() { w.set(func() { w.slotMissing = true }) }

// SetPublications replaces the publications.
func (w *Walsender) SetPublications(names ...string) { w.set(func() { w.publications = names }) }

// SetSystem replaces the database by another one.
func (w *Walsender) SetSystem(id string) { w.set(func() { w.system = id }) }

// SetTimeline puts the server on another timeline. history is the content of the
// file that it keeps of it; an empty one is missing.
func (w *Walsender) SetTimeline(timeline int, history string) {
	w.set(func() { w.timeline, w.history = timeline, history })
}

// SetLogEnd sets where the server's log ends. Before, that is beyond everything.
func (w *Walsender) SetLogEnd(lsn uint64) { w.set(func() { w.logEnd = lsn }) }

// SetConfirmed sets the slot's confirmed position: a crash puts it back. Status
// updates raise it.
func (w *Walsender) SetConfirmed(lsn uint64) { w.set(func() { w.confirmed = lsn }) }

// Confirmed returns the slot's confirmed position.
func (w *Walsender) Confirmed() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.confirmed
}

// SetNextXID sets the server's next transaction id.
func (w *Walsender) SetNextXID(xid uint64) { w.set(func() { w.nextXID = xid }) }

// SetVersion sets what the server says that its version is, "15.0" at first.
func (w *Walsender) SetVersion(version string) { w.set(func() { w.version = version }) }

func (w *Walsender) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// Attempts returns how often a connection was asked for.
func (w *Walsender) Attempts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.attempts
}

// Refusals returns how often the slot was asked for and refused, which a server
// writes to its log as errors.
func (w *Walsender) Refusals() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusals
}

// Startup returns the parameters of the latest connection.
func (w *Walsender) Startup() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.startup
}

// Stream waits until a publisher has started replication.
func (w *Walsender) Stream(tb testing.TB) *Stream {
	tb.Helper()
	select {
	case s := <-w.streams:
		return s
	case <-tb.Context().Done():
		tb.Fatal("no publisher has started replication")
		return nil
	}
}

// Check fails the test if a publisher said what the server does not understand.
func (w *Walsender) Check(tb testing.TB) {
	tb.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.unexpected...); err != nil {
		tb.Errorf("walsender: %v", err)
	}
}

// serve speaks with one client to the end.
func (w *Walsender) serve(conn net.Conn) error {
	backend := pgproto3.NewBackend(conn, conn)
	first, err := backend.ReceiveStartupMessage()
	if err != nil {
		return err
	}
	startup, ok := first.(*pgproto3.StartupMessage)
	if !ok {
		return fmt.Errorf("connection begins with %T", first)
	}
	w.mu.Lock()
	w.startup = startup.Parameters
	rejection, version := w.rejection, w.version
	w.mu.Unlock()
	if rejection != nil {
		backend.Send(rejection)
		return backend.Flush()
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: version})
	backend.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: []byte{0, 0, 0, 1}})
	for {
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err := backend.Flush(); err != nil {
			return err
		}
		message, err := backend.Receive()
		if err != nil {
			return err
		}
		switch m := message.(type) {
		case *pgproto3.Query:
			if err := w.command(conn, backend, m.String); err != nil {
				return err
			}
		case *pgproto3.Terminate:
			return nil
		default:
			return fmt.Errorf("unexpected %T", message)
		}
	}
}

// command answers one command or query.
func (w *Walsender) command(conn net.Conn, backend *pgproto3.Backend, sql string) error {
	w.mu.Lock()
	holder, slotMissing, nextXID, publications, waits := w.holder, w.slotMissing, w.nextXID, w.publications, w.waits
	system, timeline, history := w.system, strconv.Itoa(w.timeline), w.history
	logEnd, confirmed := pglogrepl.LSN(w.logEnd).String(), pglogrepl.LSN(w.confirmed).String()
	for query, rows := range w.answers {
		if strings.Contains(sql, query) {
			w.mu.Unlock()
			answer(backend, rows...)
			return nil
		}
	}
	w.mu.Unlock()
	switch {
	case sql == "IDENTIFY_SYSTEM":
		answer(backend, []string{system, timeline, logEnd, "app"})
	case strings.HasPrefix(sql, "TIMELINE_HISTORY") && history == "":
		backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "58P01", Message: "could not open timeline history file"})
	case strings.HasPrefix(sql, "TIMELINE_HISTORY"):
		answer(backend, []string{timeline + ".history", history})
	case strings.Contains(sql, "confirmed_flush_lsn"):
		answer(backend, []string{confirmed, logEnd})
	case strings.Contains(sql, "pg_current_snapshot"):
		answer(backend, []string{strconv.FormatUint(nextXID, 10)})
	case strings.Contains(sql, "pg_inherits"):
		answer(backend)
	case strings.Contains(sql, "wal_sender_timeout"):
		answer(backend, []string{"60000"})
	case strings.Contains(sql, "wait_event_type"):
		answer(backend, []string{waits})
	case strings.Contains(sql, "active_pid"):
		if holder == 0 {
			answer(backend, []string{""})
		} else {
			answer(backend, []string{strconv.Itoa(holder)})
		}
	case strings.Contains(sql, "pg_publication"):
		var rows [][]string
		for _, name := range publications {
			rows = append(rows, []string{name})
		}
		answer(backend, rows...)
	case !strings.HasPrefix(sql, "START_REPLICATION"):
		return fmt.Errorf("unexpected query %q", sql)
	case slotMissing:
		w.set(func() { w.refusals++ })
		backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42704", Message: "replication slot does not exist"})
	case holder != 0:
		w.set(func() { w.refusals++ })
		backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "55006", Message: fmt.Sprintf("replication slot is active for PID %d", holder)})
	default:
		return w.stream(conn, backend, sql)
	}
	return nil
}

// answer sends rows, whose columns have no names.
func answer(backend *pgproto3.Backend, rows ...[]string) {
	var description pgproto3.RowDescription
	if len(rows) > 0 {
		description.Fields = make([]pgproto3.FieldDescription, len(rows[0]))
	}
	backend.Send(&description)
	for _, row := range rows {
		var data pgproto3.DataRow
		for _, value := range row {
			data.Values = append(data.Values, []byte(value))
		}
		backend.Send(&data)
	}
	backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")})
}
