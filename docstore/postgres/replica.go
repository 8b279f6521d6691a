package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/docstore"
)

// replicaRest is how long a replica that could not be read is left alone.
const replicaRest = 5 * time.Second

// errOtherDatabase says that a "replica" has a life, and transaction ids, of its
// own.
var errOtherDatabase = errors.New("the replica is not a physical standby of the primary: point replica_dsn at one (the same database of it), or remove it")

// replica is the pool of a standby, and what is known of it.
type replica struct {
	pool, primary *pgxpool.Pool

	mu       sync.Mutex // guards what follows
	verified bool
	resting  time.Time // not to be read before
}

// readReplica looks at the replica once. It has done the work, or the primary
// must be asked. An error is for the caller of the store.
func (s *RowStore) readReplica(ctx context.Context, marks *docstore.Marks, r request) (done bool, err error) {
	if !s.replica.awake() {
		return false, nil
	}
	err = s.replica.verify(ctx)
	if err == nil {
		var missing string
		missing, err = look(ctx, s.replica.pool, marks, r)
		done = err == nil && missing == ""
	}
	switch {
	case err == nil:
		return done, nil
	case ctx.Err() != nil, concernsData(err), errors.Is(err, errOtherDatabase), errors.Is(err, errAmbiguous):
		return false, err
	}
	s.replica.rest()
	r.batch.forget(r.lo, r.hi)
	s.cfg.Log.WarnContext(ctx, "replica cannot be read: reading documents from the primary", "source", s.cfg.Source, "again_in", replicaRest, "error", err)
	return false, nil
}

func (r *replica) awake() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.resting.IsZero() || time.Now().After(r.resting)
}

func (r *replica) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resting = time.Now().Add(replicaRest)
}

// verify compares the identities of the replica and the primary, once. A logical
// replica or another cluster would answer every question about transactions and
// positions, and wrongly.
func (r *replica) verify(ctx context.Context) error {
	r.mu.Lock()
	verified := r.verified
	r.mu.Unlock()
	if verified {
		return nil
	}
	var ids [2]struct {
		system   int64
		database string
	}
	for i, pool := range []*pgxpool.Pool{r.primary, r.pool} {
		const identify = "SELECT system_identifier, current_database() FROM pg_control_system()"
		if err := pool.QueryRow(ctx, identify).Scan(&ids[i].system, &ids[i].database); err != nil {
			return fmt.Errorf("compare replica with primary: %w", err)
		}
	}
	if ids[0] != ids[1] {
		return errOtherDatabase
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verified = true
	return nil
}
