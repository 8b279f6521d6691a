//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package localpg_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg"
)

// roleVariable makes the test binary play another program than the tests;
// binariesVariable is the folder of PostgreSQL's that it uses then.
const (
	roleVariable     = "LOCALPG_TEST_ROLE"
	binariesVariable = "LOCALPG_TEST_BINARIES"
)

// started is what a holder prints when its server is up.
type started struct {
	Dir string
	PID int
	DSN string
}

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "hold":
		exit(hold())
	case "use":
		exit(use())
	default:
		exit(fmt.Errorf("no such role: %s", role))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func roleConfig() localpg.Config {
	return localpg.Config{BinDir: os.Getenv(binariesVariable)}
}

// hold starts a server, says where it is, and keeps it until standard input
// ends, when it leaves without stopping it.
func hold() error {
	server, err := localpg.Start(context.Background(), roleConfig())
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(started{server.Dir(), server.PID(), server.DSN("postgres")}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// use starts a server, works on it, and stops it.
func use() (err error) {
	ctx := context.Background()
	server, err := localpg.Start(ctx, roleConfig())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	conn, err := pgx.Connect(ctx, server.DSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE TABLE t (id int PRIMARY KEY)")
	return err
}
