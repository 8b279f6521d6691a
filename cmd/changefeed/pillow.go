package main

import (
	"changefeed/cmd/stack"
)

type pillowCommand struct {
	Run  pillowRunCommand  `cmd:"" help:"Run pillows."`
	List pillowListCommand `cmd:"" help:"Show where each pillow stands in each partition."`
}

type pillowRunCommand struct {
	Names []string `arg:"" help:"Pillows to run; all that are configured without." name:"name" optional:""`
}

// Run runs pillows until it is asked to stop.
func (c *pillowRunCommand) Run(a *app) error {
	s, err := a.stack()
	if err != nil {
		return err
	}
	defer s.Close()
	pillows, err := indexes(c.Names, len(s.Config.Pillows), "no pillow is configured: add one under pillows", s.PillowIndex)
	if err != nil {
		return err
	}
	return s.Run(a.ctx, stack.Parts{Pillows: pillows})
}
