package postgres_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
	"changefeed/docstore/postgres"
)

func TestConnConfigFixesWhatOutputFunctionsWrite(t *testing.T) {
	owner := openDatabase(t)
	execute(t, owner, hostile)
	pool := openPool(t, owner.Config().ConnString()+"&TimeZone=Asia/Tokyo&datestyle=SQL&row_security=on")
	for setting, want := range map[string]string{
		"DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "TimeZone": "UTC", "extra_float_digits": "1",
		"bytea_output": "hex", "client_encoding": "UTF8", "row_security": "off",
		"transaction_isolation": "read committed", "application_name": "changefeed",
	} {
		var got string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
}

func TestConnConfigKeepsTheRestOfTheString(t *testing.T) {
	cfg, err := postgres.ConnConfig("host=db user=reader application_name=reports search_path=app statement_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"application_name": "reports", "search_path": "app", "statement_timeout": "5000"} {
		if got := cfg.ConnConfig.RuntimeParams[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestConnConfigDoesNotShowSecrets(t *testing.T) {
	const secret = "s3cr3t"
	for _, dsn := range []string{
		"postgres://u:" + secret + "@host:port/db",
		"postgres://u:" + secret + "%zz@host/db",
		"postgres://u:x/" + secret + "@host/db?sslmode=wrong",
		"postgres://u:x:" + secret + "@ho st:1/db",
		"host=h password=" + secret + " port",
		"host=h password=two " + secret,
		"host=h password='" + secret,
		secret,
		"host=h password=" + secret + " port=none",
		"host=h password=" + secret + " sslmode=verify-full sslrootcert=/no/such/file",
		"host=h password=" + secret + " pool_max_conns=many",
	} {
		_, err := postgres.ConnConfig(dsn)
		if err == nil {
			t.Errorf("%s: no error", dsn)
			continue
		}
		t.Log(err)
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "two") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	_, err := postgres.New(postgres.Config{
		ID:             []string{"a", "", "a"},
		Type:           postgres.Field{Constant: changefeed.NewText("x"), Column: "kind"},
		VisibilityWait: -time.Second,
	})
	if err == nil {
		t.Fatal("New takes an empty configuration")
	}
	for _, word := range []string{"source", "schema", `""`, `"a"`, "type", "negative", "logger", "primary"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not speak of %s:\n%v", word, err)
		}
	}
}

func TestConfigRefusesPoolsWithoutTheSettings(t *testing.T) {
	plain, err := pgxpool.ParseConfig("host=/nowhere user=u")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), plain)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	_, err = postgres.New(postgres.Config{
		Source: "main", Schema: "public", Table: "t", ID: []string{"id"}, Log: slog.New(slog.DiscardHandler),
		Primary: openPool(t, "host=/nowhere user=u"), Replica: pool,
	})
	if err == nil || !strings.Contains(err.Error(), "replica") || !strings.Contains(err.Error(), "ConnConfig") {
		t.Errorf("New: %v, want an error that names the replica's pool and ConnConfig", err)
	}
}
