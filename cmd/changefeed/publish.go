package main

import "changefeed/cmd/stack"

type publishCommand struct {
	Sources []string `arg:"" help:"Sources to publish; all that are configured without." name:"source" optional:""`
	NoWait  bool     `help:"Fail at once where a slot is active elsewhere, instead of waiting for it as a stand-by."`
}

// Run publishes until it is asked to stop.
func (c *publishCommand) Run(a *app) error {
	s, err := a.stack()
	if err != nil {
		return err
	}
	defer s.Close()
	sources, err := sources(s, c.Sources)
	if err != nil {
		return err
	}
	stack.LimitMemory(len(sources))
	return s.Run(a.ctx, stack.Parts{Sources: sources, NoWait: c.NoWait})
}

// sources returns the indexes of the named sources, or of all.
func sources(s *stack.Stack, names []string) ([]int, error) {
	return indexes(names, len(s.Config.Postgres), "no source is configured: add one under postgres", s.SourceIndex)
}
