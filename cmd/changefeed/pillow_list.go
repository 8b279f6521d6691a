package main

type pillowListCommand struct{}

// Run prints a line for each partition of each pillow.
func (*pillowListCommand) Run(*app) error { return nil }
