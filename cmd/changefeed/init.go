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
	plans, topics, err := s.Intent(a.ctx)
	if err != nil {
		return err
	}
	if a.flags.JSON {
		return printIntent(a, plans, topics)
	}
	return printScript(a, plans, topics)
}

// stepRow is one step on a source.
type stepRow struct {
	Source string `json:"source"`
	setup.Step
}

func printIntent(a *app, plans map[string]setup.Steps, topics []stack.CreatedTopic) error {
	var rows []any
	for _, source := range slices.Sorted(maps.Keys(plans)) {
		for _, step := range plans[source] {
			rows = append(rows, stepRow{source, step})
		}
	}
	for _, t := range topics {
		rows = append(rows, t)
	}
	return printRows(a, nil, rows, nil)
}

func printScript(a *app, plans map[string]setup.Steps, topics []stack.CreatedTopic) error {
	for _, source := range slices.Sorted(maps.Keys(plans)) {
		if _, err := fmt.Fprintf(a.stdout, "-- Source %s\n%s\n", source, plans[source].SQL()); err != nil {
			return err
		}
	}
	for _, t := range topics {
		_, err := fmt.Fprintf(a.stdout, "-- Topic %s, if it does not exist: %d partitions, replication %d or the number of brokers\n", t.Name, t.Partitions, t.Replication)
		if err != nil {
			return err
		}
	}
	return nil
}
