package stack

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
	"changefeed/cdc"
	"changefeed/cmd/config"
	"changefeed/docstore"
	"changefeed/docstore/postgres"
)

// Publisher returns the publisher of source i. The brokers must have been found.
func (s *Stack) Publisher(i int, noWait bool) (*cdc.Publisher, error) {
	cfg, err := s.Config.Publisher(i)
	if err != nil {
		return nil, err
	}
	cfg.NoWait = noWait
	lookups, err := s.lookups(i, &cfg)
	if err != nil {
		return nil, err
	}
	deps := cdc.Deps{OpenSink: s.openSink, Parents: lookups, Log: s.Log}
	if err := s.resume(&deps); err != nil {
		return nil, err
	}
	return cdc.New(cfg, deps)
}

func (s *Stack) openSink(acked changefeed.Acked) (cdc.Sink, error) {
	client, err := s.Client(changefeed.ProducerOptions()...)
	if err != nil {
		return nil, err
	}
	return changefeed.NewKafkaSink(client, acked), nil
}

// lookups returns a lookup for each table that has documents of its own: for the
// satellites of parents, and for columns that an update does not send.
func (s *Stack) lookups(i int, cfg *cdc.Config) (map[cdc.TableName]cdc.ParentLookup, error) {
	lookups := make(map[cdc.TableName]cdc.ParentLookup)
	for j := range cfg.Tables {
		t := &cfg.Tables[j]
		if t.Satellite() {
			continue
		}
		// The primary alone: a replica would make the publisher wait for it.
		store, err := s.rowStore(i, cfg, t, nil)
		if err != nil {
			return nil, err
		}
		lookups[t.Name] = parentLookup{store}
	}
	return lookups, nil
}

// Stores returns the document stores of all routes of all sources, the same at
// every call: what they have read of the catalogue serves all pillows.
func (s *Stack) Stores() (*docstore.Registry, error) {
	if s.stores == nil {
		stores, err := s.openStores()
		if err != nil {
			return nil, err
		}
		s.stores = stores
	}
	return s.stores, nil
}

func (s *Stack) openStores() (*docstore.Registry, error) {
	var stores docstore.Registry
	for i := range s.Config.Postgres {
		cfg, err := s.Config.Publisher(i)
		if err != nil {
			return nil, err
		}
		replica, err := s.replica(&s.Config.Postgres[i])
		if err != nil {
			return nil, err
		}
		for j := range cfg.Tables {
			t := &cfg.Tables[j]
			if t.Satellite() {
				continue
			}
			store, err := s.rowStore(i, &cfg, t, replica)
			if err != nil {
				return nil, err
			}
			if err := stores.Register(cfg.DataSourceName(t), store); err != nil {
				return nil, err
			}
		}
	}
	return &stores, nil
}

func (s *Stack) replica(p *config.Postgres) (*pgxpool.Pool, error) {
	if p.ReplicaDSN == "" {
		return nil, nil
	}
	return s.pool(p.ReplicaDSN)
}

func (s *Stack) rowStore(i int, cfg *cdc.Config, t *cdc.Table, replica *pgxpool.Pool) (*postgres.RowStore, error) {
	primary, err := s.pool(s.Config.Postgres[i].DSN)
	if err != nil {
		return nil, fmt.Errorf("postgres[%d].dsn: %w", i, err)
	}
	return postgres.New(postgres.Config{
		Source: cfg.Source, Schema: t.Name.Schema, Table: t.Name.Name, ID: t.DocumentID,
		Type: field(t.DocumentType), Domain: field(t.Domain),
		Primary: primary, Replica: replica, Epoch: s.epochs[cfg.Source],
		Log: s.Log.With("source", cfg.Source, "table", t.Name.String()),
	})
}

// field gives the store what it can say of a value: a mapped one is null there,
// because the change has it already.
func field(v cdc.Value) postgres.Field {
	if v.Values != nil {
		return postgres.Field{}
	}
	return postgres.Field{Constant: v.Constant, Column: v.Column}
}

// parentLookup reads a publisher's parents from a document store.
type parentLookup struct{ store *postgres.RowStore }

// Columns implements cdc.ParentLookup.
func (l parentLookup) Columns(ctx context.Context, at cdc.Seen, ids, columns []string) ([][]changefeed.Text, error) {
	horizon := docstore.Horizon{at.Source: {Epoch: at.Epoch, XIDs: at.XIDs, LSN: at.LSN}}
	return l.store.Columns(ctx, horizon, ids, columns)
}
