package config_test

import (
	"errors"
	"strings"
	"testing"

	"changefeed/cmd/config"
)

func TestBytesCarryTheirUnit(t *testing.T) {
	file := func(value string) string {
		return "postgres:\n  - name: main\n    dsn: postgres://db/app\n    retained_warning: " + value +
			"\n    tables:\n      - {table: public.orders, topic: orders, document_id: [id]}\n"
	}
	for value, want := range map[string]config.Bytes{"1KiB": 1 << 10, "512MiB": 512 << 20, "2 GiB": 2 << 30, "4TiB": 4 << 40} {
		c, err := load(t, file(value))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Postgres[0].RetainedWarning; got != want {
			t.Errorf("%s is %d, want %d", value, got, want)
		}
	}
	for _, value := range []string{"1", "1GB", "-1GiB", "0MiB", "1.5GiB", "9999999TiB", "GiB"} {
		if _, err := load(t, file(value)); !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), "512MiB") {
			t.Errorf("%s: %v", value, err)
		}
	}
}
