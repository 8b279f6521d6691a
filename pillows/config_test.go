package pillows_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"changefeed/docstore"
	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

func TestEveryFaultOfAConfigIsReported(t *testing.T) {
	c := pillows.Config{
		Topics: []string{"orders", "no such name", "orders"}, ChunkSize: 501, ChunkBytes: -1, QueueBytes: -1,
		MinBackoff: time.Minute, MaxBackoff: time.Second, DrainTimeout: -1, SessionTimeout: -1, RebalanceTimeout: -1,
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"no name", `topic name "no such name"`, "topic orders is named twice", "chunk size 501: want 1 to 500", "chunk bytes is negative",
		"queue bytes is negative", "least backoff 1m0s is above the greatest 1s", "drain timeout is negative", "session timeout is negative", "rebalance timeout is negative",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if err := (pillows.Config{Name: "p", Topics: []string{"t"}}).Validate(); err != nil {
		t.Errorf("a name and a topic are enough: %v", err)
	}
}

func TestDefaultsLeaveTheConfigAsItWas(t *testing.T) {
	c := pillows.Config{Name: "p", ChunkSize: 7}
	d := c.WithDefaults()
	if d.Group != "p" || d.ChunkSize != 7 || d.MaxBackoff != pillows.DefaultMaxBackoff || d.RebalanceTimeout != pillows.DefaultRebalanceTimeout {
		t.Errorf("defaults %+v", d)
	}
	if c.Group != "" {
		t.Error("the config was changed")
	}
}

func TestNewReportsWhatIsMissing(t *testing.T) {
	good := config()
	deps := pillows.Deps{Stores: new(docstore.Registry), Log: slog.New(slog.DiscardHandler)}
	sink := pillowtest.NewRecorder("report")
	if _, err := pillows.New(good, deps, sink); err != nil {
		t.Errorf("New: %v", err)
	}
	for want, build := range map[string]func() (*pillows.Pillow, error){
		"no processors":                   func() (*pillows.Pillow, error) { return pillows.New(good, deps) },
		`"report" is empty or used twice`: func() (*pillows.Pillow, error) { return pillows.New(good, deps, sink, sink) },
		`"" is empty or used twice`:       func() (*pillows.Pillow, error) { return pillows.New(good, deps, pillowtest.NewRecorder("")) },
		"no document stores":              func() (*pillows.Pillow, error) { return pillows.New(good, pillows.Deps{Log: deps.Log}, sink) },
		"no logger":                       func() (*pillows.Pillow, error) { return pillows.New(good, pillows.Deps{Stores: deps.Stores}, sink) },
		"options for the brokers": func() (*pillows.Pillow, error) {
			d := deps
			d.Client = []kgo.Opt{kgo.MetadataMaxAge(-time.Second)}
			return pillows.New(good, d, sink)
		},
		"no topics": func() (*pillows.Pillow, error) { return pillows.New(pillows.Config{Name: "p"}, deps, sink) },
	} {
		if _, err := build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

func TestVerdictsAreWords(t *testing.T) {
	for v, want := range map[pillows.Verdict]string{
		pillows.Open: "open", pillows.Applied: "applied", pillows.Superseded: "superseded", pillows.Filtered: "filtered", pillows.Parked: "parked", 9: "verdict(9)",
	} {
		if got := v.String(); got != want {
			t.Errorf("%d: %q, want %q", v, got, want)
		}
	}
}
