package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"changefeed/internal/localpg"
)

// bench is one run.
type bench struct {
	Options
	server *localpg.Server
	runs   int // names that were given to sources
}

// Run measures what the options ask for and prints it.
func Run(ctx context.Context, options Options) (err error) {
	if err := options.Validate(); err != nil {
		return err
	}
	b := &bench{Options: options.withDefaults()}
	b.say("starting a private PostgreSQL")
	b.server, err = localpg.Start(ctx, localpg.Config{Settings: serverSettings, Logger: b.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.server.Stop()) }()
	var r report
	for _, name := range b.Workloads {
		if name == latency {
			delays, err := b.latency(ctx)
			if err != nil {
				return err
			}
			r.delays = delays
			continue
		}
		backlogs, err := b.backlog(ctx, name)
		if err != nil {
			return err
		}
		r.backlogs = append(r.backlogs, backlogs...)
	}
	if b.JSON {
		return r.printJSON(json.NewEncoder(b.Out))
	}
	return r.print(b.Out)
}

// say tells what is being done.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.Progress, format+"\n", args...) }

// backlog measures one workload through each socket.
func (b *bench) backlog(ctx context.Context, name string) (measured []*backlog, err error) {
	w, err := find(name)
	if err != nil {
		return nil, err
	}
	s, err := b.prepare(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.drop(context.WithoutCancel(ctx))) }()
	transactions, rows, docs := w.size(b.Rows)
	b.say("%s: loading %d rows, %s", name, rows, w.what)
	if err := s.load(ctx, transactions, rows); err != nil {
		return nil, err
	}
	for _, socket := range b.Sockets {
		m := &backlog{Workload: name, Socket: socket, Rows: rows, Documents: docs, transactions: transactions}
		if err := b.measure(ctx, s, m); err != nil {
			return nil, fmt.Errorf("workload %s: %w", name, err)
		}
		measured = append(measured, m)
	}
	return measured, nil
}

// measure lets the workers take turns.
func (b *bench) measure(ctx context.Context, s *source, m *backlog) error {
	kinds := []string{jobRead, jobPublish, jobProduce}
	if m.Socket == socketTCP && canGather {
		kinds = slices.Insert(kinds, 1, jobGather)
	}
	taken := make(map[string][]outcome)
	for round := range b.Rounds {
		for _, kind := range kinds {
			o, err := b.turn(ctx, s, m, kind)
			if err != nil {
				return err
			}
			taken[kind] = append(taken[kind], o)
			b.say("%s, %s, round %d: %s %.0f rows/s, %.2f s of CPU", m.Workload, m.Socket, round+1, kind,
				float64(m.Rows)/o.Elapsed.Seconds(), o.CPU.Seconds())
		}
	}
	m.fill(taken)
	return nil
}

// turn is one worker's.
func (b *bench) turn(ctx context.Context, s *source, m *backlog, kind string) (o outcome, err error) {
	b.runs++
	j := job{
		Kind: kind, Workload: m.Workload, DSN: s.dsn(m.Socket), Source: fmt.Sprintf("run%d", b.runs),
		Publications: s.publications, Transactions: m.transactions, Documents: m.Documents,
	}
	if kind != jobProduce {
		slot, drop, err := s.slot(ctx, true)
		if err != nil {
			return o, err
		}
		defer func() { err = errors.Join(err, drop()) }()
		j.Slot = slot
	}
	if kind == jobRead || kind == jobGather {
		return b.do(ctx, j)
	}
	if b.Profiles != "" && kind == jobPublish {
		j.Profile = fmt.Sprintf("%s/%s-%s", b.Profiles, m.Workload, m.Socket)
	}
	err = b.withBroker(ctx, func(address string) error {
		j.Broker = address
		if o, err = b.do(ctx, j); err != nil {
			return err
		}
		return b.wantRecords(ctx, address, m.Documents)
	})
	return o, err
}
