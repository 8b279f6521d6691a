package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/docstore"
	"changefeed/docstore/postgres"
)

func TestATableThatChangesIsLookedAtAgain(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY, state text); INSERT INTO documents VALUES (1, 'a')`)
	store := newStore(t, pool)
	getMany(t, store, nil, "1")

	execute(t, pool, `ALTER TABLE documents ALTER id TYPE text, ADD more int; INSERT INTO documents VALUES ('x', 'b')`)
	for i, r := range getMany(t, store, nil, "x", "1") {
		if r.Err != nil {
			t.Errorf("after the id became a text: result %d: %v", i, r.Err)
		}
	}
	execute(t, pool, `ALTER TABLE documents ALTER state TYPE int USING 5`)
	got, err := store.Columns(t.Context(), nil, []string{"x"}, []string{"state"})
	if err != nil || got[0][0].String != "5" {
		t.Errorf("after a column became an integer: %v and error %v, want 5", got, err)
	}
	execute(t, pool, `DROP TABLE documents; CREATE TABLE documents (id uuid PRIMARY KEY)`)
	if r := getMany(t, store, nil, "x")[0]; !errors.Is(r.Err, docstore.ErrConvert) {
		t.Errorf("after the id became a uuid: %v, want ErrConvert", r.Err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	owner := openDatabase(t)
	role := "reader_of_" + owner.Config().ConnConfig.Database
	execute(t, owner, fmt.Sprintf(`
		CREATE TABLE documents (id int PRIMARY KEY);
		CREATE TABLE hidden (id int PRIMARY KEY);
		CREATE TABLE guarded (id int PRIMARY KEY);
		INSERT INTO guarded VALUES (1);
		ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
		CREATE ROLE %[1]s LOGIN;
		GRANT SELECT ON documents, guarded TO %[1]s`, role))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := owner.Exec(ctx, fmt.Sprintf("DROP OWNED BY %[1]s; DROP ROLE %[1]s", role)); err != nil {
			t.Error(err)
		}
	})
	pool := openPool(t, owner.Config().ConnString(), func(cfg *pgxpool.Config) { cfg.ConnConfig.User = role })
	getMany(t, newStore(t, pool), nil, "1")
	for _, test := range []struct {
		why    string
		change func(*postgres.Config)
		want   []string
	}{
		{"no table", func(cfg *postgres.Config) { cfg.Table = "nowhere" }, []string{"public.nowhere", "does not exist"}},
		{"no id column", withID("key"), []string{`"key"`, "document_id"}},
		{"no column for the type", func(cfg *postgres.Config) { cfg.Type.Column = "kind" }, []string{"kind"}},
		{"no privilege", func(cfg *postgres.Config) { cfg.Table = "hidden" }, []string{`GRANT SELECT ON "public"."hidden" TO "` + role + `"`}},
		{"rows hidden by a policy", func(cfg *postgres.Config) { cfg.Table = "guarded" }, []string{"row-level security", `ALTER ROLE "` + role + `" BYPASSRLS`}},
	} {
		_, err := newStore(t, pool, test.change).GetMany(t.Context(), nil, []string{"1"})
		if err == nil {
			t.Errorf("%s: no error", test.why)
			continue
		}
		for _, word := range test.want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v: want it to say %s", test.why, err, word)
			}
		}
	}
}

func TestAServerThatIsAwayIsAnErrorOfTheBatch(t *testing.T) {
	const password = "correct-horse"
	pool := openPool(t, "postgres://reader:"+password+"@127.0.0.1:1/orders?connect_timeout=5")
	_, err := newStore(t, pool).GetMany(t.Context(), nil, []string{"1"})
	if err == nil || errors.Is(err, docstore.ErrNotVisible) || errors.Is(err, docstore.ErrConvert) || errors.Is(err, docstore.ErrNotFound) {
		t.Errorf("GetMany: %v, want a plain error", err)
	}
	if err != nil && strings.Contains(err.Error(), password) {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestAReadEndsWithItsContext(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY); INSERT INTO documents VALUES (1)`)
	store := newStore(t, pool)
	getMany(t, store, nil, "1")
	tx, _ := begin(t, pool, `LOCK TABLE documents`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := store.GetMany(ctx, nil, []string{"1"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GetMany of a locked table: %v, want context.DeadlineExceeded", err)
	}
	commit(t, tx)
	if r := getMany(t, store, nil, "1")[0]; r.Err != nil {
		t.Errorf("after the lock: %v", r.Err)
	}
}

// Poolers that share sessions between clients need other modes than the default.
func TestEveryQueryModeOfTheDriverServes(t *testing.T) {
	owner := openDatabase(t)
	execute(t, owner, `CREATE TABLE documents (id int PRIMARY KEY); INSERT INTO documents VALUES (1)`)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		store := newStore(t, openPool(t, owner.Config().ConnString()+"&default_query_exec_mode="+mode))
		tx, at := begin(t, owner, `UPDATE documents SET id = id`)
		if _, err := store.GetMany(t.Context(), at, []string{"1"}); !errors.Is(err, docstore.ErrNotVisible) {
			t.Errorf("%s: %v, want ErrNotVisible", mode, err)
		}
		commit(t, tx)
		results, err := store.GetMany(t.Context(), at, []string{"1", "2", "x"})
		if err != nil || results[0].Err != nil || !errors.Is(results[1].Err, docstore.ErrNotFound) || !errors.Is(results[2].Err, docstore.ErrConvert) {
			t.Errorf("%s: %+v and error %v", mode, results, err)
		}
	}
}

func TestReadsGoOnAfterTheServerEndedTheSession(t *testing.T) {
	pool := openDatabase(t)
	execute(t, pool, `CREATE TABLE documents (id int PRIMARY KEY); INSERT INTO documents VALUES (1)`)
	reader := openPool(t, pool.Config().ConnString(), func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["application_name"] = "victim" })
	store := newStore(t, reader)
	getMany(t, store, nil, "1")
	execute(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim' AND datname = current_database()`)
	_, err := store.GetMany(t.Context(), nil, []string{"1"}) // may be told of the end
	t.Log(err)
	if r := getMany(t, store, nil, "1")[0]; r.Err != nil {
		t.Error(r.Err)
	}
}
