package cdc

import (
	"slices"
	"testing"

	"changefeed"
)

func TestLayoutIsOfWhatPositionsDependOn(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		parts  []string
	}{
		"nothing":             {func(*Config) {}, nil},
		"another connection":  {func(c *Config) { c.DSN, c.StatusInterval = "host=other", 1 }, nil},
		"what a value means":  {func(c *Config) { c.Tables[0].DocumentType.Constant = changefeed.NewText("Other") }, nil},
		"a topic":             {func(c *Config) { c.Tables[0].Topic = "other" }, []string{"routes"}},
		"a column of the id":  {func(c *Config) { c.Tables[0].DocumentID = []string{"code"} }, []string{"routes"}},
		"a column of a field": {func(c *Config) { c.Tables[0].Domain.Column = "owner" }, []string{"routes"}},
		"a parent":            {func(c *Config) { c.Tables[1].Parent = c.Tables[3].Name }, []string{"routes"}},
		"operations":          {func(c *Config) { c.Tables[2].Operations = Insert | Update }, []string{"routes"}},
		"the order of routes": {func(c *Config) { slices.Reverse(c.Tables) }, []string{"routes"}},
		"one route less":      {func(c *Config) { c.Tables = c.Tables[:3] }, []string{"routes"}},
		"an order":            {func(c *Config) { c.Tables[0].Order = 1 }, []string{"routes"}},
		"topics of messages":  {func(c *Config) { c.Topics = []string{"more"} }, []string{"routes"}},
		"a source name":       {func(c *Config) { c.Tables[3].DataSourceName = "main/public.orders" }, []string{"routes"}},
		"limits of pieces":    {func(c *Config) { c.PieceDocuments, c.PieceBytes = 7, 7 }, []string{"piece_documents", "piece_bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			before, cfg := testConfig(), testConfig()
			tt.change(&cfg)
			if got := layoutChanges(layoutOf(&before), layoutOf(&cfg)); !slices.Equal(got, tt.parts) {
				t.Errorf("changed %q, want %q", got, tt.parts)
			}
		})
	}
	if got := layoutChanges("", "a=1 b=2"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("changed %q, want all", got)
	}
	if got := layoutChanges("a=1 b=2", "a=1"); len(got) == 0 {
		t.Error("a part that is gone is no change")
	}
}
