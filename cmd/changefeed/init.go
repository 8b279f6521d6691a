package main

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
	if c.DryRun {
		return s.DryRun(a.ctx, a.stdout)
	}
	return s.Init(a.ctx)
}
