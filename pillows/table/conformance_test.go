package table_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"changefeed/pillows/pillowtest"
	"changefeed/pillows/table"
)

func TestProcessorConforms(t *testing.T) {
	pool := newPool(t)
	pillowtest.Run(t, func(t *testing.T) pillowtest.Subject {
		t.Helper()
		empty(t, pool)
		return pillowtest.Subject{
			Processor: newProcessor(t, pool, report(
				table.Column{Name: "value", Path: "value", Type: "text"},
				table.Column{Name: "total", Path: "total", Type: "integer"},
			)),
			Read: func(ctx context.Context, id string) (string, bool, error) {
				var value string
				err := pool.QueryRow(ctx, "SELECT value FROM report WHERE id = $1", id).Scan(&value)
				if errors.Is(err, pgx.ErrNoRows) {
					return "", false, nil
				}
				return value, err == nil, err
			},
			Body:    func(_, value string) json.RawMessage { return fmt.Appendf(nil, `{"value": %q, "total": 7}`, value) },
			BadBody: func(string) json.RawMessage { return json.RawMessage(`{"value": "v", "total": "seven"}`) },
		}
	})
}
