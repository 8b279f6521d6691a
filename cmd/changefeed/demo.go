package main

import (
	"log/slog"
	"os"

	"changefeed/cmd/config"
	"changefeed/cmd/demo"
)

type demoCommand struct {
	Changes int `help:"Make N changes, compare sinks and database, and exit 0 only if nothing is lost or different; without, run until Ctrl-C." placeholder:"N"`
	Rate    int `help:"Changes a second at most, large transactions aside." placeholder:"N"`
}

// Run runs the demo. It reads no configuration.
func (c *demoCommand) Run(a *app) error {
	log, err := a.logger(&config.Log{Format: "text", Level: slog.LevelWarn.String()})
	if err != nil {
		return err
	}
	return demo.Run(a.ctx, demo.Options{
		Changes: c.Changes, Rate: c.Rate, JSON: a.flags.JSON,
		Out: a.stdout, Screen: demo.NewScreen(a.stderr, os.LookupEnv), Log: log,
	})
}
