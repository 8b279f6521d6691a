package changefeed_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module       = "changefeed"
	maxFileLines = 600
)

// A layer says what the code of its packages may import. Test files are not layered: a test may build whatever it needs.
type layer struct {
	// pkg is one package, or with "/*" at its end each package directly below. The internal packages below a package belong to its
	// layer, unless they have a layer of their own.
	pkg string
	// ours lists the packages of this module that may be imported, "/..." standing for a package and all below it. A package may
	// always import its own internal packages.
	ours []string
	// outside lists the packages of other modules that may be imported; nil allows all of them.
	outside []string
}

// Imports point one way: cmd → everything; everything → the contract in the root package. Layers may be listed before they exist;
// a package that no layer matches fails the test.
var layers = []layer{
	{pkg: module, outside: []string{"github.com/twmb/franz-go/pkg/kgo", "github.com/twmb/franz-go/pkg/kerr"}},

	{pkg: "changefeed/cdc", ours: []string{module}},
	{pkg: "changefeed/cdc/internal/pgoutput", outside: []string{}},
	{pkg: "changefeed/cdc/setup", ours: []string{module, "changefeed/cdc", "changefeed/cdc/internal/advice", "changefeed/cdc/internal/sqlstate"}},
	{pkg: "changefeed/cdc/backfill", ours: []string{module, "changefeed/cdc"}},
	{pkg: "changefeed/couchsource", ours: []string{module}},

	{pkg: "changefeed/sql", outside: []string{}},
	{pkg: "changefeed/state", ours: []string{module, "changefeed/sql"}},

	{pkg: "changefeed/docstore", ours: []string{module}},
	{pkg: "changefeed/docstore/*", ours: []string{module, "changefeed/docstore"}},

	{pkg: "changefeed/pillows", ours: []string{module, "changefeed/docstore"}},
	{pkg: "changefeed/pillows/*", ours: []string{module, "changefeed/docstore", "changefeed/pillows"}},

	{pkg: "changefeed/commcare", ours: []string{module, "changefeed/cdc", "changefeed/commcare/...", "changefeed/docstore/...", "changefeed/pillows/..."}},
	{pkg: "changefeed/commcare/*", ours: []string{module, "changefeed/cdc", "changefeed/commcare/...", "changefeed/docstore/...", "changefeed/pillows/..."}},

	{pkg: "changefeed/ops", ours: []string{module}},
	{pkg: "changefeed/internal/broker"},
	{pkg: "changefeed/internal/localpg"},
	{pkg: "changefeed/internal/readback", ours: []string{module}},
	{pkg: "changefeed/cmd/*", ours: []string{"changefeed/..."}},
	{pkg: "changefeed/integration"}, // nothing but tests
}

// TestImportsPointOneWay reads the import declarations of every file that is compiled on any platform, so that a wrong import is
// found where it is written, and also in a package that does not compile.
func TestImportsPointOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		if len(p.codeFiles()) == 0 || isTestSupport(p.ImportPath) {
			continue // tests and what serves them are not layered
		}
		l, ok := layerOf(p.ImportPath)
		if !ok {
			t.Errorf("package %s has no layer: decide what it may import and add it to the table in architecture_test.go", p.ImportPath)
			continue
		}
		for _, name := range p.codeFiles() {
			fset := token.NewFileSet()
			file := parseFile(t, fset, filepath.Join(p.Dir, name), parser.ImportsOnly)
			for _, spec := range file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if reason := l.refuses(p.ImportPath, imported); reason != "" {
					t.Errorf("%s: %s imports %s: %s", position(fset, spec.Pos()), p.ImportPath, imported, reason)
				}
			}
		}
	}
}

func TestLayersRefuseImportsAgainstTheArrows(t *testing.T) {
	tests := []struct {
		pkg, imported string
		allowed       bool
	}{
		{module, "encoding/json", true},
		{module, "github.com/twmb/franz-go/pkg/kgo", true},
		{module, "github.com/twmb/franz-go/pkg/kmsg", false},
		{module, "changefeed/docstore", false},
		{module, "changefeed/internal/localpg", false},
		{"changefeed/cdc", "github.com/jackc/pglogrepl", true},
		{"changefeed/cdc", "changefeed/cdc/internal/pgoutput", true},
		{"changefeed/cdc", "changefeed/docstore", false},
		{"changefeed/cdc", "changefeed/couchsource", false},
		{"changefeed/cdc", "changefeed/cdc/cdctest", false},
		{"changefeed/cdc", "changefeed/cdc/setup", false},
		{"changefeed/cdc/setup", "changefeed/cdc", true},
		{"changefeed/cdc/setup", "changefeed/cdc/internal/sqlstate", true},
		{"changefeed/cdc/setup", "changefeed/cdc/internal/pgoutput", false},
		{"changefeed/cdc/internal/session", "changefeed", true},
		{"changefeed/cdc/internal/pgoutput", "changefeed", false},
		{"changefeed/cdc/internal/pgoutput", "github.com/jackc/pglogrepl", false},
		{"changefeed/couchsource", "changefeed/cdc", false},
		{"changefeed/state", "changefeed/sql", true},
		{"changefeed/state", "changefeed/pillows", false},
		{"changefeed/docstore/postgres", "changefeed/docstore", true},
		{"changefeed/docstore/postgres", "changefeed/docstore/couch", false},
		{"changefeed/pillows", "changefeed/docstore/postgres", false},
		{"changefeed/pillows", "changefeed/state", false},
		{"changefeed/pillows/ucr", "changefeed/pillows", true},
		{"changefeed/pillows/ucr", "changefeed/pillows/table", false},
		{"changefeed/pillows/ucr", "changefeed/internal/localpg", false},
		{"changefeed/pillows/ucr", "changefeed/pillows/ucr/internal/expression", true},
		{"changefeed/commcare", "changefeed/pillows/ucr", true},
		{"changefeed/commcare", "changefeed/state", false},
		{"changefeed/ops", "changefeed/commcare", false},
		{"changefeed/cmd/changefeed", "changefeed/commcare", true},
		{"changefeed/cmd/changefeed", "changefeed/internal/localpg", true},
		{"changefeed/cmd/changefeed", "changefeed/internal/localpg/localpgtest", false},
	}
	for _, tt := range tests {
		l, ok := layerOf(tt.pkg)
		if !ok {
			t.Errorf("package %s has no layer", tt.pkg)
			continue
		}
		if reason := l.refuses(tt.pkg, tt.imported); (reason == "") != tt.allowed {
			t.Errorf("%s imports %s: allowed %v (%q), want %v", tt.pkg, tt.imported, !tt.allowed, reason, tt.allowed)
		}
	}
	for _, pkg := range []string{"changefeed/elsewhere", "changefeed/internal/elsewhere", "changefeed/pillows/ucr/elsewhere"} {
		if l, ok := layerOf(pkg); ok {
			t.Errorf("%s: in layer %s, want none", pkg, l.pkg)
		}
	}
}

func TestEveryPackageHasADocComment(t *testing.T) {
	for _, p := range listPackages(t) {
		files := p.codeFiles()
		if len(files) == 0 {
			files = p.testFiles()
		}
		if len(files) == 0 {
			continue
		}
		documented := slices.ContainsFunc(files, func(name string) bool {
			file := parseFile(t, token.NewFileSet(), filepath.Join(p.Dir, name), parser.PackageClauseOnly|parser.ParseComments)
			return isPackageDoc(file)
		})
		if !documented {
			t.Errorf("package %s has no doc comment: say in one sentence what it is for, above the package clause of one file", p.ImportPath)
		}
	}
}

func TestNoFileIsTooLong(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, name := range p.codeFiles() {
			if n := strings.Count(readFile(t, filepath.Join(p.Dir, name)), "\n"); n > maxFileLines {
				t.Errorf("%s in %s has %d lines, more than %d: split it by stage, not into helpers", name, p.ImportPath, n, maxFileLines)
			}
		}
	}
}

func TestEveryDependencyIsExplained(t *testing.T) {
	const decisions = "docs/decisions/dependencies.md"
	explained := map[string]string{} // module → version
	row := regexp.MustCompile("(?m)^\\| `(\\S+)` \\| (v\\S+) \\|")
	for _, m := range row.FindAllStringSubmatch(readFile(t, decisions), -1) {
		explained[m[1]] = m[2]
	}
	required := map[string]string{}
	for _, file := range []string{"go.mod", "tools.mod"} {
		requirement := regexp.MustCompile(`(?m)^(?:require )?\t?(\S+\.\S+) (v\S+)( // indirect)?$`)
		for _, m := range requirement.FindAllStringSubmatch(readFile(t, file), -1) {
			name, version, direct := m[1], m[2], m[3] == ""
			if _, ok := explained[name]; direct && !ok {
				t.Errorf("%s requires %s: add a row with its reason to %s", file, name, decisions)
			}
			required[file+" "+name] = version
		}
	}
	for name, version := range explained {
		inProgram, inTools := required["go.mod "+name], required["tools.mod "+name]
		if version != inProgram && version != inTools {
			t.Errorf("%s has %s %s, but go.mod requires %q of it and tools.mod %q: correct or remove the row", decisions, name, version, inProgram, inTools)
		}
	}
}

// layerOf returns the layer of a package: its own, or for an internal package without one that of the package it belongs to.
func layerOf(pkg string) (layer, bool) {
	for {
		for _, l := range layers {
			if parent, below := strings.CutSuffix(l.pkg, "/*"); pkg == l.pkg || below && path.Dir(pkg) == parent {
				return l, true
			}
		}
		owner, internal := ownerOfInternal(pkg)
		if !internal {
			return layer{}, false
		}
		pkg = owner
	}
}

// refuses returns why pkg, which is in layer l, may not import a package, or "".
func (l layer) refuses(pkg, imported string) string {
	switch {
	case isStandard(imported):
		return ""
	case !isOurs(imported):
		if l.outside != nil && !slices.Contains(l.outside, imported) {
			return "of other modules its layer may import " + listed(l.outside)
		}
		return ""
	case isTestSupport(imported):
		return "test support is for tests"
	}
	if owner, internal := ownerOfInternal(imported); internal && (pkg == owner || strings.HasPrefix(pkg, owner+"/internal/")) {
		return ""
	}
	for _, allowed := range l.ours {
		if tree, all := strings.CutSuffix(allowed, "/..."); imported == tree || all && strings.HasPrefix(imported, tree+"/") {
			return ""
		}
	}
	return "of this module its layer may import " + listed(l.ours)
}

func listed(packages []string) string {
	if len(packages) == 0 {
		return "nothing"
	}
	return "only " + strings.Join(packages, ", ")
}

func isOurs(pkg string) bool { return pkg == module || strings.HasPrefix(pkg, module+"/") }

func isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !isOurs(pkg) && !strings.Contains(first, ".")
}

// isTestSupport tells the packages that serve tests by their names: cdctest, docstoretest, pillowtest, localpgtest and so on.
func isTestSupport(pkg string) bool { return isOurs(pkg) && strings.HasSuffix(path.Base(pkg), "test") }

// ownerOfInternal returns the package that an internal package belongs to. What lies in the module's own internal folder belongs to no
// package: Go lets the whole module import it, so it needs a layer like any other.
func ownerOfInternal(pkg string) (string, bool) {
	i := strings.LastIndex(pkg, "/internal/")
	if i < 0 || pkg[:i] == module {
		return "", false
	}
	return pkg[:i], true
}

// goPackage is what these tests read of `go list -json`.
type goPackage struct {
	Dir            string
	ImportPath     string
	GoFiles        []string
	CgoFiles       []string
	IgnoredGoFiles []string // left out on this platform; they count all the same
	TestGoFiles    []string
	XTestGoFiles   []string
}

// codeFiles returns the names of the files that are compiled into the package on some platform.
func (p goPackage) codeFiles() []string {
	files := slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles)
	return slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

func (p goPackage) testFiles() []string { return slices.Concat(p.TestGoFiles, p.XTestGoFiles) }

// listPackages returns the packages of this module, also those that do not compile.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	readTree(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=Dir,ImportPath,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles", "./...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v\n%s", err, stderr.String())
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("decode the output of go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// readTree reads the module's directories. The go command reuses a test's result while nothing that the test itself read has changed,
// and does not see what its child `go list` reads: without this, a package added since would not be looked at.
func readTree(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a temporary folder of a test that runs beside this one
		case err != nil:
			return err
		case d.IsDir() && name != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the module's directories: %v", err)
	}
}

func parseFile(t *testing.T, fset *token.FileSet, name string, mode parser.Mode) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(fset, name, readFile(t, name), mode)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// isPackageDoc reports whether a file carries the package's documentation and not just any comment above the package clause.
func isPackageDoc(file *ast.File) bool {
	if file.Name.Name == "main" {
		return strings.HasPrefix(file.Doc.Text(), "Command ")
	}
	return strings.HasPrefix(file.Doc.Text(), "Package "+strings.TrimSuffix(file.Name.Name, "_test")+" ")
}

// position gives a place as the reader of a test's output writes it: relative to the module's root.
func position(fset *token.FileSet, pos token.Pos) string {
	p := fset.Position(pos)
	root, err := os.Getwd()
	if err != nil {
		return p.String()
	}
	if rel, err := filepath.Rel(root, p.Filename); err == nil {
		p.Filename = rel
	}
	return p.String()
}
