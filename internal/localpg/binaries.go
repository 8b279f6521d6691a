package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// binaries is a folder from which a server can be started.
type binaries struct {
	dir     string
	version Version
}

// program is the path of one of the folder's programs.
func (b binaries) program(name string) string { return filepath.Join(b.dir, name) }

// systemFolders are where packages put a server that is not on PATH.
var systemFolders = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // the PostgreSQL project's RPMs
	"/usr/lib/postgresql[0-9]*/bin",                      // SUSE
	"/usr/libexec/postgresql[0-9]*",                      // Alpine
	"/usr/local/pgsql/bin",                               // built from source
	"/opt/homebrew/opt/postgresql@*/bin",                 // Homebrew on Apple silicon
	"/usr/local/opt/postgresql@*/bin",                    // Homebrew on Intel
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	"/Library/PostgreSQL/*/bin",                          // EDB's installer
}

// finder is where binaries are looked for. Its fields are the machine.
type finder struct {
	path    string   // the list of folders in PATH
	folders []string // patterns of system folders
	cache   string   // folder of downloaded binaries
	as      *account // who will run them
	major   int      // the only version wanted; 0: oldest or later
	release release  // what is downloaded
	logger  *slog.Logger
	// download fills an empty folder with a server's files.
	download func(ctx context.Context, folder, archives string) error
}

func newFinder(cfg Config, as *account) (*finder, error) {
	cache, err := cacheFolder(cfg.CacheDir, as)
	if err != nil {
		return nil, err
	}
	r := release{version: releases[cmp.Or(cfg.Major, downloadMajor)], repository: cfg.Repository}
	return &finder{
		path: os.Getenv("PATH"), folders: systemFolders, cache: cache, as: as,
		major: cfg.Major, release: r, logger: cfg.Logger, download: r.download,
	}, nil
}

// find returns the first usable binaries, downloading some if there are none.
func (f *finder) find(ctx context.Context) (binaries, error) {
	var refused []error
	for dir := range f.candidates(ctx) {
		b, err := inspect(ctx, dir, f.as)
		if err == nil && !f.wants(b.version) {
			err = fmt.Errorf("%s holds version %s", dir, b.version)
		}
		if err == nil {
			return b, nil
		}
		refused = append(refused, err)
	}
	if ctx.Err() != nil { // those that are there may have been refused for that
		return binaries{}, fmt.Errorf("find PostgreSQL: %w", ctx.Err())
	}
	b, err := f.fetch(ctx)
	if err == nil {
		return b, nil
	}
	if ctx.Err() != nil {
		return binaries{}, fmt.Errorf("find PostgreSQL: %w", err)
	}
	wanted := strconv.Itoa(oldest) + " or later"
	if f.major != 0 {
		wanted = strconv.Itoa(f.major)
	}
	return binaries{}, fmt.Errorf("find PostgreSQL %s: %w: %w (install it, for example with `apt-get install postgresql` or `brew install postgresql`, or put the folder of initdb and postgres on PATH)",
		wanted, ErrUnavailable, errors.Join(append(refused, err)...))
}

// wants reports whether a version will do.
func (f *finder) wants(v Version) bool {
	if f.major != 0 {
		return v.Major == f.major
	}
	return v.Major >= oldest
}

// candidates yields the folders that hold both programs, the preferred first.
func (f *finder) candidates(ctx context.Context) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, dir := range filepath.SplitList(f.path) {
			if dir, ok := serverFolder(dir); ok && !yield(dir) {
				return
			}
		}
		if dir, ok := serverFolder(f.configuredFolder(ctx)); ok && !yield(dir) {
			return
		}
		for _, dir := range f.packagedFolders() {
			if dir, ok := serverFolder(dir); ok && !yield(dir) {
				return
			}
		}
	}
}

// configuredFolder asks pg_config for the folder of the installation that it
// belongs to; empty without an answer.
func (f *finder) configuredFolder(ctx context.Context) string {
	for _, dir := range filepath.SplitList(f.path) {
		name := filepath.Join(dir, "pg_config")
		if !filepath.IsAbs(dir) || !isProgram(name) {
			continue
		}
		out, err := exec.CommandContext(ctx, name, "--bindir").Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	return ""
}

// packagedFolders expands the patterns of system folders, newest version first.
func (f *finder) packagedFolders() []string {
	var found []string
	for _, pattern := range f.folders {
		matches, err := filepath.Glob(pattern)
		if err == nil {
			found = append(found, matches...)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return versionInPath(b) - versionInPath(a) })
	return found
}

var digits = regexp.MustCompile(`\d{1,4}`)

// versionInPath is the last number in a path, which packages make the version;
// 0 without one.
func versionInPath(path string) int {
	all := digits.FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(all[len(all)-1])
	return n
}

// serverFolder returns the folder that really holds initdb and postgres, which
// are links in many folders of PATH.
func serverFolder(dir string) (string, bool) {
	if !filepath.IsAbs(dir) || !isProgram(filepath.Join(dir, "postgres")) {
		return "", false
	}
	target, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return "", false
	}
	dir = filepath.Dir(target)
	return dir, isProgram(filepath.Join(dir, "initdb"))
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// inspect asks a folder's postgres for its version, as the account that is to
// run it: that it answers shows that the account may.
func inspect(ctx context.Context, dir string, as *account) (binaries, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Dir = "/"
	cmd.Env = serverEnvironment()
	cmd.SysProcAttr = asAccount(as)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return binaries{}, fmt.Errorf("run postgres of %s as %s: %w%s", dir, as, err, indented(lastLines(out, 5)))
	}
	version, err := parseVersion(string(out))
	if err != nil {
		return binaries{}, fmt.Errorf("inspect %s: %w", dir, err)
	}
	return binaries{dir: dir, version: version}, nil
}
