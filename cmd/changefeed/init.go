package main

import (
	"fmt"
	"maps"
	"slices"

	"changefeed/cdc/setup"
	"changefeed/cmd/stack"
)

type initCommand struct {
	DryRun bool `help:"Print the SQL and the topics, change nothing."`
}

// Run makes what is missing.
func (c *initCommand) Run(a *app) error {
	s, err := a.stack()
	if err != nil {
		return err
	}
	defer s.Close()
	if !c.DryRun {
		return s.Init(a.ctx)
	}
	intent, err := s.Intent(a.ctx)
	if err != nil {
		return err
	}
	if a.flags.JSON {
		return printIntent(a, intent)
	}
	return printScript(a, intent)
}

// stepRow is one step on a source, or on the state.
type stepRow struct {
	Source string `json:"source,omitempty"`
	State  bool   `json:"state,omitempty"`
	setup.Step
}

func printIntent(a *app, intent *stack.Intent) error {
	var rows []any
	for _, source := range slices.Sorted(maps.Keys(intent.Sources)) {
		for _, step := range intent.Sources[source] {
			rows = append(rows, stepRow{Source: source, Step: step})
		}
	}
	for _, step := range intent.State {
		rows = append(rows, stepRow{State: true, Step: step})
	}
	for _, t := range intent.Topics {
		rows = append(rows, t)
	}
	return printRows(a, nil, rows, nil)
}

func printScript(a *app, intent *stack.Intent) error {
	for _, source := range slices.Sorted(maps.Keys(intent.Sources)) {
		if _, err := fmt.Fprintf(a.stdout, "-- Source %s\n%s\n", source, intent.Sources[source].SQL()); err != nil {
			return err
		}
	}
	if len(intent.Sources) > 0 {
		if _, err := fmt.Fprintf(a.stdout, "-- State\n%s\n", intent.State.SQL()); err != nil {
			return err
		}
	}
	for _, t := range intent.Topics {
		_, err := fmt.Fprintf(a.stdout, "-- Topic %s, if it does not exist: %d partitions, replication %d or the number of brokers\n", t.Name, t.Partitions, t.Replication)
		if err != nil {
			return err
		}
	}
	return nil
}
