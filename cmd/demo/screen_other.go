//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package demo

import "os"

// terminalWidth takes no file for a terminal: lines are printed one by one.
func terminalWidth(*os.File) (int, bool) { return 0, false }
