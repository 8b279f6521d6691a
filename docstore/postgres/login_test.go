package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed/docstore/postgres"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

func TestStoresLogInAsLibpqDoes(t *testing.T) {
	const password = "s3cret-w0rd"
	server, authority := localpgtest.New(t, localpg.Config{}), localpgtest.NewAuthority(t)
	certificate, key := authority.Issue(t, "server", time.Now().Add(time.Hour), "localhost")
	localpgtest.ServeTLS(t, server, authority, certificate, key,
		"hostssl all by_password all scram-sha-256", "hostssl all by_certificate all cert")
	execute(t, openPool(t, server.DSN("postgres")), "CREATE ROLE by_password LOGIN PASSWORD '"+password+"'; CREATE ROLE by_certificate LOGIN")
	certificate, key = authority.Issue(t, "by_certificate", time.Now().Add(time.Hour))
	path := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(path, []byte("*:*:*:by_password:"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	common := fmt.Sprintf("host=127.0.0.1,localhost port=1,%d dbname=postgres target_session_attrs=read-write sslmode=verify-full sslrootcert=", server.Port())
	verified, unknown := common+authority.Root, common+localpgtest.NewAuthority(t).Root
	for name, tt := range map[string]struct{ dsn, want string }{
		"password":               {verified + " user=by_password password=" + password, ""},
		"file of passwords":      {verified + " user=by_password passfile=" + path, ""},
		"client certificate":     {verified + " user=by_certificate sslcert=" + certificate + " sslkey=" + key, ""},
		"wrong password":         {verified + " user=by_password password=x" + password, "28P01"},
		"other authority":        {unknown + " user=by_password password=" + password, "certificate signed by unknown authority"},
		"no client certificate":  {verified + " user=by_certificate", "28000"},
		"no file of authorities": {common + "/none/such user=by_password password=" + password, "/none/such"},
	} {
		t.Run(name, func(t *testing.T) {
			err := ping(t, tt.dsn)
			if (err == nil) != (tt.want == "") {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), password)) {
				t.Errorf("error %v, want %q and no password", err, tt.want)
			}
		})
	}
}

// ping connects with a pool as a store has it.
func ping(t *testing.T, dsn string) error {
	t.Helper()
	cfg, err := postgres.ConnConfig(dsn)
	if err != nil {
		return err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	return pool.Ping(t.Context())
}
