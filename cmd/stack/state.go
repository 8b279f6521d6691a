package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"

	"changefeed/cdc"
	"changefeed/cdc/setup"
	"changefeed/cmd/config"
	"changefeed/docstore/postgres"
	"changefeed/sql"
	"changefeed/state"
)

// State returns the store of what the system remembers, in the database of
// state.dsn. It connects when first used.
func (s *Stack) State() (*state.Store, error) {
	if s.Config.State.DSN == "" {
		return nil, fmt.Errorf("%w: state.dsn is not set, and there is no postgres entry whose dsn to use", config.ErrInvalid)
	}
	pool, err := s.poolOf(poolKey{"state", s.Config.State.DSN}, state.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("state.dsn: %w", err)
	}
	return state.New(pool), nil
}

// withState waits for the server of the state, and works with it.
func (s *Stack) withState(ctx context.Context, work func(context.Context, *state.Store) error) error {
	store, err := s.State()
	if err != nil {
		return err
	}
	return s.await(ctx, "state server", func(ctx context.Context) error { return work(ctx, store) }, statePasses)
}

// statePasses reports whether an error goes away by itself.
func statePasses(err error) bool {
	_, refused := errors.AsType[*state.SchemaError](err)
	return !refused && cdc.Passes(err)
}

// initState makes the tables of the state, or brings them up to date.
func (s *Stack) initState(ctx context.Context) error {
	err := s.withState(ctx, func(ctx context.Context, store *state.Store) error {
		done, err := store.Migrate(ctx)
		for _, m := range done {
			s.Log.Info("state migrated", "migration", m.Number, "name", m.Name)
		}
		return err
	})
	return asRefusal("state", err)
}

// requireState returns an error where publishers cannot use the state.
func (s *Stack) requireState(ctx context.Context) error {
	err := s.withState(ctx, func(ctx context.Context, store *state.Store) error { return store.Check(ctx) })
	return asRefusal("state", err)
}

// asRefusal turns an error about a schema into a refusal.
func asRefusal(subject string, err error) error {
	if f, refused := schemaFinding(setup.Refuse, subject, err); refused {
		return &setup.RefusalError{Findings: []setup.Finding{f}}
	}
	return err
}

// schemaFinding makes a finding of an error about a schema.
func schemaFinding(severity setup.Severity, subject string, err error) (setup.Finding, bool) {
	e, ok := errors.AsType[*state.SchemaError](err)
	if !ok {
		return setup.Finding{}, false
	}
	return setup.Finding{
		Severity: severity, Subject: subject, Problem: "database " + e.Database + ": " + e.Problem,
		Remedies: []setup.Remedy{{Text: e.Remedy, SQL: e.SQL, Command: e.Command}},
	}, true
}

// checkState looks at the state. Without publishers it is needed by nobody.
func (s *Stack) checkState(ctx context.Context) ([]setup.Finding, error) {
	if len(s.Config.Postgres) == 0 {
		return nil, nil
	}
	store, err := s.State()
	if err != nil {
		return nil, err
	}
	err = store.Check(ctx)
	if f, refused := schemaFinding(setup.Refuse, "state", err); refused {
		return []setup.Finding{f}, nil
	}
	return nil, err
}

// stateSteps returns what initState would do, for somebody who has the rights to
// act as the role of state.dsn, to which the tables have to belong.
func (s *Stack) stateSteps(ctx context.Context) (setup.Steps, error) {
	store, err := s.State()
	if err != nil {
		return nil, err
	}
	pending, role, err := store.Pending(ctx)
	if err != nil {
		return nil, asRefusal("state", err)
	}
	steps := migrationSteps(sql.State(), pending, "remember how far sources have been published; run this in the database of state.dsn")
	for i := range steps {
		steps[i].SQL = append([]string{"SET LOCAL ROLE " + pgx.Identifier{role}.Sanitize()}, steps[i].SQL...)
	}
	return steps, nil
}

// migrationSteps shows migrations as steps of the set-up.
func migrationSteps(set sql.Set, pending []sql.Migration, why string) setup.Steps {
	var steps setup.Steps
	for _, m := range pending {
		steps = append(steps, setup.Step{Why: why, SQL: state.Script(set, m)})
	}
	return steps
}

// newEpochs returns what is known of the epochs of all sources: nothing yet.
func (s *Stack) newEpochs() map[string]*postgres.Epoch {
	epochs := make(map[string]*postgres.Epoch)
	for i := range s.Config.Postgres {
		source := s.Config.Postgres[i].Name
		epochs[source] = postgres.NewEpoch(func(ctx context.Context) (uint32, error) {
			all, err := s.readEpochs(ctx)
			return all[source], err
		})
	}
	return epochs
}

func (s *Stack) readEpochs(ctx context.Context) (map[string]uint32, error) {
	store, err := s.State()
	if err != nil {
		return nil, err
	}
	return store.Epochs(ctx)
}

// learnEpochs reads the epochs of all sources from the state, if it can: else
// changes that were made before a source's log went back are met without knowing
// so, and each read of their documents has to find it out.
func (s *Stack) learnEpochs(ctx context.Context) {
	all, err := s.readEpochs(ctx)
	if err != nil {
		s.Log.Warn("epochs of sources not read, going on without: documents of changes from before a restore of their database are read late", "error", err)
		return
	}
	for source := range maps.Keys(s.epochs) {
		s.epochs[source].Raise(all[source])
	}
}
