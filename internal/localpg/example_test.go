package localpg_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg"
)

// A program that brings its own server.
func ExampleStart() {
	run := func(ctx context.Context) (err error) {
		server, err := localpg.Start(ctx, localpg.Config{
			Settings: map[string]string{"max_slot_wal_keep_size": "64MB"},
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		if err := server.CreateDatabase(ctx, "shop"); err != nil {
			return err
		}
		conn, err := pgx.Connect(ctx, server.DSN("shop"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}
	if err := run(context.Background()); err != nil {
		fmt.Println(err)
	}
}
