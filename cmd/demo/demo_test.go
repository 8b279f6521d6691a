package demo

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"
)

func TestScratch(t *testing.T) {
	n := 500
	if os.Getenv("N") != "" {
		json.Unmarshal([]byte(os.Getenv("N")), &n)
	}
	var out bytes.Buffer
	err := Run(t.Context(), Options{Changes: n, Out: &out, Stall: 10 * time.Second, Screen: Screen{Out: os.Stderr}, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
}
