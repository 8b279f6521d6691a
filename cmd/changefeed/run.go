package main

type runCommand struct{}

// Run runs all that is configured until it is asked to stop.
func (*runCommand) Run(a *app) error {
	s, err := a.stack()
	if err != nil {
		return err
	}
	defer s.Close()
	return s.RunAll(a.ctx)
}
