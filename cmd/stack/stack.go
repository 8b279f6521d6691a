package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/cmd/config"
	"changefeed/docstore"
	"changefeed/docstore/postgres"
)

// Stack holds a configuration and what its parts share. Parts may be built from
// one goroutine at a time.
type Stack struct {
	Config *config.Config
	Log    *slog.Logger
	// ClientOptions are added to those of every client of the brokers.
	ClientOptions []kgo.Opt

	stores *docstore.Registry         // once asked for
	epochs map[string]*postgres.Epoch // by source

	mu      sync.Mutex
	pools   map[poolKey]*pgxpool.Pool
	brokers []kgo.Opt // once found
}

// New returns a Stack for a complete configuration. It connects to nothing.
func New(cfg *config.Config, log *slog.Logger) *Stack {
	s := &Stack{Config: cfg, Log: log, pools: make(map[poolKey]*pgxpool.Pool)}
	s.epochs = s.newEpochs()
	return s
}

// Close closes the connection pools. Nothing built from the stack may run then.
func (s *Stack) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pool := range s.pools {
		pool.Close()
	}
	clear(s.pools)
}

// poolKey tells pools apart: those of one connection string can have different
// settings.
type poolKey struct{ purpose, dsn string }

// pool returns the pool for documents and report tables of a connection string.
func (s *Stack) pool(dsn string) (*pgxpool.Pool, error) {
	return s.poolOf(poolKey{"documents", dsn}, postgres.ConnConfig)
}

// poolOf returns the pool of a key. It connects when first used. It is not made in
// anybody's context, because it outlives whoever asks first.
func (s *Stack) poolOf(key poolKey, configure func(dsn string) (*pgxpool.Config, error)) (*pgxpool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pool, ok := s.pools[key]; ok {
		return pool, nil
	}
	cfg, err := configure(key.dsn)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, fmt.Errorf("make connection pool: %w", err)
	}
	s.pools[key] = pool
	return pool, nil
}

// SourceIndex returns the index of a source in the configuration.
func (s *Stack) SourceIndex(name string) (int, error) {
	var have []string
	for i := range s.Config.Postgres {
		if s.Config.Postgres[i].Name == name {
			return i, nil
		}
		have = append(have, s.Config.Postgres[i].Name)
	}
	return 0, unknown("source", name, have)
}

// PillowIndex returns the index of a pillow in the configuration.
func (s *Stack) PillowIndex(name string) (int, error) {
	var have []string
	for i := range s.Config.Pillows {
		if s.Config.Pillows[i].Name == name {
			return i, nil
		}
		have = append(have, s.Config.Pillows[i].Name)
	}
	return 0, unknown("pillow", name, have)
}

// ErrUnknown is wrapped where a name is asked for that is not configured.
var ErrUnknown = errors.New("not in the configuration")

func unknown(kind, name string, have []string) error {
	if len(have) == 0 {
		return fmt.Errorf("%s %q: %w, which has none", kind, name, ErrUnknown)
	}
	return fmt.Errorf("%s %q: %w, which has %v", kind, name, ErrUnknown, have)
}
