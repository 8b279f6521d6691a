package setup

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// ApplyHastily is Apply with few attempts and short pauses.
func ApplyHastily(ctx context.Context, conn *pgx.Conn, steps Steps, log *slog.Logger) error {
	a := &applier{conn: conn, log: log, attempts: 3, pause: 10 * time.Millisecond, slow: 50 * time.Millisecond}
	return a.apply(ctx, steps)
}
