package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// mentioned finds command lines in quotes or backticks, and in shell examples.
var mentioned = regexp.MustCompile("(?:\"|`|\\./|\\$ )changefeed ([a-z]+)(?: ([a-z]+))?")

// Whoever follows a remedy or the documentation must not be told of a command
// that does not exist.
func TestEveryCommandThatIsMentionedExists(t *testing.T) {
	commands := commandNames(t)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range mentioned.FindAllStringSubmatch(string(text), -1) {
			if !commands[match[1]] && !commands[match[1]+" "+match[2]] {
				t.Errorf("%s mentions %q", path, match[0])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// commandNames has every command, one with subcommands as each of them.
func commandNames(t *testing.T) map[string]bool {
	t.Helper()
	parser, err := kong.New(new(cli))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, leaf := range parser.Model.Leaves(true) {
		names[commandOf(leaf)] = true
	}
	return names
}

func commandOf(leaf *kong.Node) string {
	name := leaf.Name
	for up := leaf.Parent; up != nil && up.Type == kong.CommandNode; up = up.Parent {
		name = up.Name + " " + name
	}
	return name
}
