package state_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/internal/localpg/localpgtest"
	"changefeed/sql"
	"changefeed/state"
)

// madeUp is a set whose later versions have more scripts.
func madeUp(t *testing.T, scripts ...string) sql.Set {
	t.Helper()
	files := fstest.MapFS{}
	for i, script := range scripts {
		files["madeup/"+[]string{"0001_a", "0002_b", "0003_c"}[i]+".sql"] = &fstest.MapFile{Data: []byte(script)}
	}
	set, err := sql.Read(files, "madeup")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const (
	firstScript = `
CREATE SCHEMA changefeed;
CREATE TABLE changefeed.madeup_migrations (number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL);
CREATE TABLE changefeed.fruits (name text);
`
	secondScript = "INSERT INTO changefeed.fruits VALUES ('apple');"
	thirdScript  = "INSERT INTO changefeed.fruits VALUES ('pear');"
)

func numbers(migrations []sql.Migration) (n []int) {
	for _, m := range migrations {
		n = append(n, m.Number)
	}
	return n
}

func TestMigrationsAreRunOnce(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	run := func(set sql.Set, want ...int) {
		t.Helper()
		pending, err := state.Pending(t.Context(), pool, set)
		if err != nil || len(pending) != len(want) {
			t.Fatalf("pending %v, %v, want %v", numbers(pending), err, want)
		}
		done, err := state.Migrate(t.Context(), pool, set)
		if err != nil || len(done) != len(want) {
			t.Fatalf("done %v, %v, want %v", numbers(done), err, want)
		}
	}
	run(madeUp(t, firstScript, secondScript), 1, 2)
	run(madeUp(t, firstScript, secondScript))
	run(madeUp(t, firstScript, secondScript, thirdScript), 3)
	if got := query[string](t, pool, "SELECT string_agg(name, ' ') FROM changefeed.fruits"); got != "apple pear" {
		t.Errorf("fruits %q, want each script's once", got)
	}
}

func TestAFailedMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	done, err := state.Migrate(t.Context(), pool, madeUp(t, firstScript, secondScript, "INSERT INTO changefeed.fruits VALUES ('fig'); SELECT 1/0"))
	if err == nil || !strings.Contains(err.Error(), "0003_c") || len(done) != 2 {
		t.Fatalf("done %v, %v, want 1 and 2 and an error that names the third", numbers(done), err)
	}
	if got := query[string](t, pool, "SELECT string_agg(name, ' ') FROM changefeed.fruits"); got != "apple" {
		t.Errorf("fruits %q, want apple alone", got)
	}
	if got := query[int](t, pool, "SELECT max(number) FROM changefeed.madeup_migrations"); got != 2 {
		t.Errorf("migration %d is recorded, want 2 as the last", got)
	}
}

func TestProcessesThatMigrateAtOnceRunEachScriptOnce(t *testing.T) {
	t.Parallel()
	dsn := localpgtest.Database(t)
	const processes = 6
	errs := make([]error, processes)
	var group sync.WaitGroup
	for i := range processes {
		pool := openPool(t, dsn)
		group.Go(func() {
			_, errs[i] = state.New(pool).Migrate(t.Context())
			if errs[i] == nil {
				_, errs[i] = state.Migrate(t.Context(), pool, sql.Source())
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := state.New(openPool(t, dsn)).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnOlderProgramRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	if _, err := state.Migrate(t.Context(), pool, madeUp(t, firstScript, secondScript)); err != nil {
		t.Fatal(err)
	}
	older := madeUp(t, firstScript)
	_, errMigrate := state.Migrate(t.Context(), pool, older)
	_, errPending := state.Pending(t.Context(), pool, older)
	for _, err := range []error{errMigrate, errPending} {
		refused(t, err, "newer version", "migration 2 (b)", "install that version")
	}
}

func TestAnotherScriptOfTheSameNumberIsRefused(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	if _, err := state.Migrate(t.Context(), pool, madeUp(t, firstScript, secondScript)); err != nil {
		t.Fatal(err)
	}
	other := madeUp(t, firstScript, "INSERT INTO changefeed.fruits VALUES ('quince')")
	_, err := state.Migrate(t.Context(), pool, other)
	refusal := refusalOf(t, err, "another build", "0002_b.sql")
	for _, statement := range refusal.SQL { // whoever has looked can say so
		execute(t, pool, statement)
	}
	if done, err := state.Migrate(t.Context(), pool, other); err != nil || len(done) != 0 {
		t.Errorf("after the remedy: done %v, %v", numbers(done), err)
	}
	execute(t, pool, "DELETE FROM changefeed.madeup_migrations WHERE number = 1")
	_, err = state.Migrate(t.Context(), pool, other)
	refused(t, err, "lacks migration 1")
}

func TestCheckTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	s := state.New(pool)
	if refusal := refusalOf(t, s.Check(t.Context()), "no state tables"); refusal.Command != "changefeed init" {
		t.Errorf("command %q, want changefeed init", refusal.Command)
	}
	migrate(t, s)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	execute(t, pool, "DROP TABLE changefeed.gaps")
	refused(t, s.Check(t.Context()), "dropped: changefeed.gaps")
	execute(t, pool, "DELETE FROM changefeed.state_migrations")
	refused(t, s.Check(t.Context()), "no state tables")
	execute(t, pool, "DROP TABLE changefeed.state_migrations")
	if _, err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "not recorded in changefeed.state_migrations") {
		t.Errorf("tables without their record: %v", err)
	}
}

// A role gets by with what the remedies give it.
func TestRemediesAboutRightsSuffice(t *testing.T) {
	t.Parallel()
	dsn := localpgtest.Database(t)
	owner := openPool(t, dsn)
	_, roleDSN := newRole(t, owner, dsn)
	s := state.New(openPool(t, roleDSN))
	_, err := s.Migrate(t.Context())
	obey(t, owner, refusalOf(t, err, "make a schema"))
	migrate(t, s)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}

	_, otherDSN := newRole(t, owner, dsn)
	other := state.New(openPool(t, otherDSN))
	for _, problem := range []string{"may not use the schema", "may not read", "lacks rights"} {
		obey(t, owner, refusalOf(t, other.Check(t.Context()), problem))
	}
	if err := other.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	number, _, err := other.Claim(t.Context(), "main")
	if err == nil {
		err = other.Save(t.Context(), "main", number, checkpoint(1, 1))
	}
	_, errEpoch := other.NextEpoch(t.Context(), 0)
	if err := errors.Join(err, errEpoch, other.RecordGap(t.Context(), state.Gap{Source: "main"})); err != nil {
		t.Error(err)
	}
	_, err = state.Migrate(t.Context(), openPool(t, otherDSN), sql.Source())
	obey(t, owner, refusalOf(t, err, "may not make"))
	if _, err = state.Migrate(t.Context(), openPool(t, otherDSN), sql.Source()); err != nil {
		t.Error(err)
	}
}

// obey runs the statements of a remedy.
func obey(t *testing.T, owner *pgxpool.Pool, refusal *state.SchemaError) {
	t.Helper()
	if len(refusal.SQL) == 0 {
		t.Fatalf("no statements in %v", refusal)
	}
	for _, statement := range refusal.SQL {
		execute(t, owner, statement)
	}
}

func TestAMigrationWaitsForAnotherOnlySoLong(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	holder, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_xact_lock($1)", int64(0x636867666565644d)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := state.New(pool).Migrate(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("migrated while the lock was held: %v", err)
	}
}
