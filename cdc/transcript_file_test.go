package cdc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"changefeed/cdc"
	"changefeed/cmd/config"
)

// The sections of a transcript file.
const (
	settingsSection   = "settings"    // optional
	tablesSection     = "tables.yaml" // the routes, as below tables in a configuration
	schemaSection     = "schema.sql"  // run before anything else
	transcriptSection = "transcript"  // what is done, and what comes of it
	outputIndent      = "     "       // of lines that say what came of a step
	versionsLine      = "  on "       // before lines for some versions alone
	sqlPrompt         = "sql> "       // of the application
	otherPrompt       = "other> "     // of another session of it
	commandPrompt     = "$ "          // of the operator
)

// transcriptFile is one case.
type transcriptFile struct {
	path     string
	archive  *txtar.Archive
	tables   string
	schema   string
	pieces   int      // Config.PieceDocuments; 0: the default
	suppress bool     // Config.AllowSuppress
	topics   []string // Config.Topics
	versions []string // that the case is for; empty: all
	entries  []entry
}

// entry is a step with what comes of it, or a line of text between steps.
type entry struct {
	text     string    // a comment, or an empty line; then the rest is empty
	prompt   string    // of each line of input
	input    []string  // without the prompt
	general  []string  // what comes of it on versions that are not special
	specials []special // each version in one at most
}

// special is what comes of a step on some versions of the server.
type special struct {
	versions []string
	lines    []string
}

func readTranscript(t *testing.T, path string) *transcriptFile {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &transcriptFile{path: path, archive: txtar.Parse(data)}
	for _, section := range f.archive.Files {
		text := string(section.Data)
		switch section.Name {
		case settingsSection:
			err = f.setSettings(text)
		case tablesSection:
			f.tables = text
		case schemaSection:
			f.schema = text
		case transcriptSection:
			f.entries, err = parseEntries(text)
		default:
			err = fmt.Errorf("unknown section %q", section.Name)
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return f
}

// readTables reads routes as an operator writes them.
func readTables(t *testing.T, yaml string) []cdc.Table {
	t.Helper()
	file := filepath.Join(t.TempDir(), "changefeed.yaml")
	text := "postgres:\n  - name: main\n    dsn: dbname=main\n    tables:\n      " + strings.ReplaceAll(yaml, "\n", "\n      ")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	publisher, err := c.Publisher(0)
	if err != nil {
		t.Fatal(err)
	}
	return publisher.Tables
}

func (f *transcriptFile) setSettings(text string) (err error) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "piece_documents":
			f.pieces, err = strconv.Atoi(value)
		case "allow_suppress":
			f.suppress, err = strconv.ParseBool(value)
		case "topics":
			f.topics = strings.Fields(value)
		case "versions":
			f.versions = strings.Fields(value)
		default:
			err = fmt.Errorf("unknown setting %q", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *transcriptFile) runsOn(version string) bool {
	return len(f.versions) == 0 || slices.Contains(f.versions, version)
}

// parseEntries reads the transcript section.
func parseEntries(text string) (entries []entry, err error) {
	open := false // the last entry is a step that further lines can belong to
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		prompt := promptOf(line)
		switch {
		case strings.HasPrefix(line, outputIndent) || strings.HasPrefix(line, versionsLine):
			if !open {
				return nil, fmt.Errorf("output of nothing: %q", line)
			}
			entries[len(entries)-1].want(line)
		case prompt == "" && line != "" && !strings.HasPrefix(line, "# "):
			return nil, fmt.Errorf("neither step, output nor comment: %q", line)
		case prompt == "":
			entries = append(entries, entry{text: line})
			open = false
		case open && prompt != commandPrompt && entries[len(entries)-1].takes(prompt):
			last := &entries[len(entries)-1]
			last.input = append(last.input, line[len(prompt):])
		default:
			entries = append(entries, entry{prompt: prompt, input: []string{line[len(prompt):]}})
			open = true
		}
	}
	return entries, nil
}

func promptOf(line string) string {
	for _, prompt := range []string{sqlPrompt, otherPrompt, commandPrompt} {
		if strings.HasPrefix(line, prompt) {
			return prompt
		}
	}
	return ""
}

// takes reports whether a further line of input belongs to the step.
func (e *entry) takes(prompt string) bool {
	return e.prompt == prompt && len(e.general) == 0 && len(e.specials) == 0
}

// want adds a line of what comes of the step.
func (e *entry) want(line string) {
	output, ok := strings.CutPrefix(line, outputIndent)
	last := len(e.specials) - 1
	switch {
	case !ok:
		e.specials = append(e.specials, special{versions: strings.Fields(line[len(versionsLine):])})
	case last < 0:
		e.general = append(e.general, output)
	default:
		e.specials[last].lines = append(e.specials[last].lines, output)
	}
}

// on returns what comes of the step on a version.
func (e *entry) on(version string) []string {
	for _, s := range e.specials {
		if slices.Contains(s.versions, version) {
			return s.lines
		}
	}
	return e.general
}

// merge takes over what came of the step on a version. What comes of it on the
// first is the general case.
func (e *entry) merge(version string, lines []string, first bool) {
	for i := range e.specials {
		s := &e.specials[i]
		s.versions = slices.DeleteFunc(s.versions, func(v string) bool { return v == version })
	}
	e.specials = slices.DeleteFunc(e.specials, func(s special) bool { return len(s.versions) == 0 })
	switch {
	case first:
		e.general = lines
	case slices.Equal(e.general, lines):
	default:
		alike := slices.IndexFunc(e.specials, func(s special) bool { return slices.Equal(s.lines, lines) })
		if alike < 0 {
			alike = len(e.specials)
			e.specials = append(e.specials, special{lines: lines})
		}
		s := &e.specials[alike]
		s.versions = append(s.versions, version)
		slices.Sort(s.versions)
	}
}

// merge takes over what came of all steps on a version.
func (f *transcriptFile) merge(version string, outputs [][]string, first bool) {
	for i := range f.entries {
		if f.entries[i].prompt != "" {
			f.entries[i].merge(version, outputs[i], first)
		}
	}
}

// render writes the transcript on a version as it is wanted, or with other
// outputs, one for each entry.
func (f *transcriptFile) render(version string, outputs [][]string) string {
	var b strings.Builder
	for i := range f.entries {
		e := &f.entries[i]
		lines := e.on(version)
		if outputs != nil {
			lines = outputs[i]
		}
		e.writeInput(&b)
		writeOutput(&b, lines)
	}
	return b.String()
}

func (e *entry) writeInput(b *strings.Builder) {
	if e.prompt == "" {
		b.WriteString(e.text + "\n")
	}
	for _, line := range e.input {
		b.WriteString(e.prompt + line + "\n")
	}
}

func writeOutput(b *strings.Builder, lines []string) {
	for _, line := range lines {
		b.WriteString(outputIndent + line + "\n")
	}
}

// text writes the transcript section for all versions.
func (f *transcriptFile) text() string {
	var b strings.Builder
	for i := range f.entries {
		e := &f.entries[i]
		e.writeInput(&b)
		writeOutput(&b, e.general)
		for _, s := range e.specials {
			b.WriteString(versionsLine + strings.Join(s.versions, " ") + "\n")
			writeOutput(&b, s.lines)
		}
	}
	return b.String()
}

// write writes the file.
func (f *transcriptFile) write(t *testing.T) {
	t.Helper()
	for i := range f.archive.Files {
		if section := &f.archive.Files[i]; section.Name == transcriptSection {
			section.Data = []byte(f.text())
		}
	}
	if err := os.WriteFile(f.path, txtar.Format(f.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
