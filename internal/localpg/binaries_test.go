package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestBinariesOnPathComeFirst(t *testing.T) {
	root := t.TempDir()
	plant(t, filepath.Join(root, "path"), "15.3")
	plant(t, filepath.Join(root, "system", "17", "bin"), "17.1")
	expectFound(t, &finder{
		path:    filepath.Join(root, "none") + ":" + filepath.Join(root, "path"),
		folders: []string{filepath.Join(root, "system", "*", "bin")},
	}, filepath.Join(root, "path"), Version{15, 3})
}

func TestLinksOnPathLeadToTheInstallation(t *testing.T) {
	root := t.TempDir()
	installed, links := filepath.Join(root, "installed"), filepath.Join(root, "links")
	plant(t, installed, "16.2")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(installed, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	expectFound(t, &finder{path: links}, installed, Version{16, 2})
}

func TestConfiguredFolderComesBeforeSystemFolders(t *testing.T) {
	root := t.TempDir()
	plant(t, filepath.Join(root, "configured"), "16.0")
	plant(t, filepath.Join(root, "system", "17", "bin"), "17.1")
	script(t, filepath.Join(root, "path", "pg_config"), "echo "+filepath.Join(root, "configured"))
	expectFound(t, &finder{
		path:    filepath.Join(root, "path"),
		folders: []string{filepath.Join(root, "system", "*", "bin")},
	}, filepath.Join(root, "configured"), Version{16, 0})
}

func TestNewestSystemFolderComesFirst(t *testing.T) {
	root := t.TempDir()
	for _, version := range []string{"9", "15", "100", "16"} {
		plant(t, filepath.Join(root, version, "bin"), version+".1")
	}
	expectFound(t, &finder{folders: []string{filepath.Join(root, "*", "bin")}},
		filepath.Join(root, "100", "bin"), Version{100, 1})
}

func TestOtherMajorVersionsArePassedOverWhereOneIsWanted(t *testing.T) {
	root := t.TempDir()
	for _, version := range []string{"14", "15", "17"} {
		plant(t, filepath.Join(root, version, "bin"), version+".3")
	}
	folders := []string{filepath.Join(root, "*", "bin")}
	expectFound(t, &finder{folders: folders, major: 14}, filepath.Join(root, "14", "bin"), Version{14, 3})

	f := testFinder(t, &finder{folders: folders, major: 16, release: release{version: releases[16]}})
	f.download = func(_ context.Context, folder, _ string) error {
		plant(t, filepath.Join(folder, "bin"), "16.15")
		return nil
	}
	expectFound(t, f, filepath.Join(f.cache, "postgresql-16.15.0", "bin"), Version{16, 15})
}

func TestUnusableBinariesArePassedOver(t *testing.T) {
	root := t.TempDir()
	plant(t, filepath.Join(root, "old"), "14.9")
	script(t, filepath.Join(root, "broken", "postgres"), "echo no such library >&2; exit 127")
	script(t, filepath.Join(root, "broken", "initdb"), "")
	script(t, filepath.Join(root, "half", "postgres"), "echo 'postgres (PostgreSQL) 17.0'")
	plant(t, filepath.Join(root, "good"), "15.1")
	var path []string
	for _, dir := range []string{"old", "broken", "half", "good"} {
		path = append(path, filepath.Join(root, dir))
	}
	expectFound(t, &finder{path: strings.Join(path, ":")}, filepath.Join(root, "good"), Version{15, 1})

	// With none left, the error says what was wrong with each and what to do.
	f := testFinder(t, &finder{path: strings.Join(path[:3], ":")})
	f.download = func(context.Context, string, string) error { return errors.New("no network") }
	_, err := f.find(t.Context())
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v, want ErrUnavailable", err)
	}
	for _, part := range []string{"version 14.9", "no such library", "no network", "apt-get install"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error does not say %q: %v", part, err)
		}
	}
}

func TestDownloadHappensOnceForAllProcesses(t *testing.T) {
	cache := t.TempDir()
	if err := os.Mkdir(filepath.Join(cache, "unpack-left"), 0o755); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	downloads := 0
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			// A lock of a file belongs to its opening, so four finders of one
			// process stand for four processes.
			f := testFinder(t, &finder{cache: cache})
			f.download = func(_ context.Context, folder, _ string) error {
				mu.Lock()
				downloads++
				mu.Unlock()
				plant(t, filepath.Join(folder, "bin"), "17.11")
				return nil
			}
			b, err := f.find(t.Context())
			if err != nil || b.version != (Version{17, 11}) {
				t.Errorf("got %+v, %v", b, err)
			}
		})
	}
	wg.Wait()
	if downloads != 1 {
		t.Errorf("%d downloads, want 1", downloads)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "unpack-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWaitForAnotherProcesssDownloadEndsWithTheContext(t *testing.T) {
	cache := t.TempDir()
	lock, err := lockFolder(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = testFinder(t, &finder{cache: cache}).find(ctx)
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want only context.Canceled", err)
	}
}

func TestVersionIsReadFromPackagersOutput(t *testing.T) {
	for output, want := range map[string]Version{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": {15, 18},
		"postgres (PostgreSQL) 17.11\n":                          {17, 11},
		"postgres (PostgreSQL) 19beta1\n":                        {19, 0},
	} {
		got, err := parseVersion(output)
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", output, got, err, want)
		}
	}
	if _, err := parseVersion("command not found"); err == nil {
		t.Error("a version was read from an error")
	}
}

func expectFound(t *testing.T, f *finder, dir string, version Version) {
	t.Helper()
	got, err := testFinder(t, f).find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (binaries{dir: dir, version: version}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// testFinder completes a finder that must find without a download.
func testFinder(t *testing.T, f *finder) *finder {
	t.Helper()
	f.logger = slog.New(slog.DiscardHandler)
	if f.cache == "" {
		f.cache = t.TempDir()
	}
	if f.download == nil {
		f.download = func(context.Context, string, string) error { return errors.New("unexpected download") }
	}
	return f
}

// plant puts programs into a folder that pass for a server's.
func plant(t *testing.T, dir, version string) {
	t.Helper()
	script(t, filepath.Join(dir, "postgres"), fmt.Sprintf("echo 'postgres (PostgreSQL) %s'", version))
	script(t, filepath.Join(dir, "initdb"), "")
}

func script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Error(err)
	}
}
