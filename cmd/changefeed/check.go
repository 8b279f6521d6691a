package main

import (
	"errors"
	"fmt"

	"changefeed/cdc/setup"
)

type checkCommand struct{}

// errRefused ends a check that found something that stands against running.
var errRefused = errors.New("refused: see above for what to do")

// Run checks every configured part, changes nothing, and prints what it found.
func (*checkCommand) Run(a *app) error {
	s, err := a.stack()
	if err != nil {
		return err
	}
	defer s.Close()
	found, failures := s.Check(a.ctx)
	refused := false
	for _, f := range found {
		refused = refused || f.Severity == setup.Refuse
	}
	if a.flags.JSON {
		err = printRows(a, nil, found, nil)
	} else {
		for i := range found {
			if _, err = fmt.Fprintf(a.stdout, "%s\n", found[i].String()); err != nil {
				break
			}
		}
	}
	switch {
	case err != nil:
		return err
	case failures != nil:
		return failures
	case refused:
		return errRefused
	case !a.flags.JSON:
		_, err = fmt.Fprintln(a.stdout, "ok: everything that is configured can run")
	}
	return err
}
