package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker in releases.
var version = "devel"

type versionCommand struct{}

type versionRow struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// Run prints the version.
func (*versionCommand) Run(a *app) error {
	row := versionRow{Version: version, Commit: commit(), Go: runtime.Version()}
	if a.flags.JSON {
		return printRows(a, nil, []versionRow{row}, nil)
	}
	_, err := fmt.Fprintf(a.stdout, "changefeed %s (commit %s, %s)\n", row.Version, row.Commit, row.Go)
	return err
}

func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return "unknown"
}
