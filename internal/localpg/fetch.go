package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// releases are the servers that can be downloaded, by major version.
var releases = map[int]embeddedpostgres.PostgresVersion{
	14: "14.24.0",
	15: "15.19.0",
	16: "16.15.0",
	17: "17.11.0",
	18: "18.6.0",
}

// downloadMajor is the one that is downloaded where any would do and none is
// installed.
const downloadMajor = 17

// release is a server in a repository of archives.
type release struct {
	version    embeddedpostgres.PostgresVersion
	repository string // URL of a Maven repository; empty: Maven Central
}

// downloadTimeout bounds one download of about 15 MB.
const downloadTimeout = 10 * time.Minute

// cacheFolder is where downloaded binaries are kept: the configured folder or
// the user's, or the system's where the account that will run them cannot enter
// the user's, as with root's home.
func cacheFolder(configured string, as *account) (string, error) {
	if configured != "" {
		abs, err := filepath.Abs(configured)
		if err != nil {
			return "", fmt.Errorf("resolve cache folder: %w", err)
		}
		return abs, nil
	}
	users, err := os.UserCacheDir()
	if err == nil && as.canEnter(users) {
		return filepath.Join(users, "changefeed"), nil
	}
	if as != nil {
		return "/var/cache/changefeed", nil
	}
	return "", fmt.Errorf("find a folder for downloads: %w", err)
}

// fetch returns the binaries of the cache, downloading them first if it has
// none. Processes that want to download at the same time take turns.
func (f *finder) fetch(ctx context.Context) (binaries, error) {
	final := filepath.Join(f.cache, "postgresql-"+string(f.release.version))
	bin := filepath.Join(final, "bin")
	if _, ok := serverFolder(bin); ok {
		return inspect(ctx, bin, f.as)
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	if err := os.MkdirAll(f.cache, 0o755); err != nil {
		return binaries{}, fmt.Errorf("make cache folder: %w", err)
	}
	lock, err := lockFolder(ctx, f.cache)
	if err != nil {
		return binaries{}, err
	}
	defer lock.Close()
	// Another process may have been first.
	if _, ok := serverFolder(bin); !ok {
		if err := f.fill(ctx, final); err != nil {
			return binaries{}, err
		}
	}
	return inspect(ctx, bin, f.as)
}

// fill makes the folder of a version. It appears complete or not at all. The
// caller holds the lock of the cache.
func (f *finder) fill(ctx context.Context, final string) error {
	const unpacking = "unpack-"
	leftovers, err := filepath.Glob(filepath.Join(f.cache, unpacking+"*"))
	if err != nil {
		return fmt.Errorf("look for unfinished downloads: %w", err)
	}
	for _, folder := range append(leftovers, final) {
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("remove unfinished download: %w", err)
		}
	}
	work, err := os.MkdirTemp(f.cache, unpacking)
	if err != nil {
		return fmt.Errorf("make folder to unpack PostgreSQL in: %w", err)
	}
	defer os.RemoveAll(work)

	f.logger.InfoContext(ctx, "no such PostgreSQL is installed here: downloading one, once (about 15 MB)",
		"version", string(f.release.version), "folder", final)
	server := filepath.Join(work, "server")
	if err := f.download(ctx, server, work); err != nil {
		return err
	}
	if err := os.Rename(server, final); err != nil {
		return fmt.Errorf("put downloaded PostgreSQL in place: %w", err)
	}
	return nil
}

// download downloads a server for this system, checks its checksum and
// unpacks it into folder; the archive itself is left in archives.
//
// The library can only download as the first part of starting a server. It is
// asked for a database in an encoding that does not exist, so that its initdb
// refuses before it has made anything; what counts is whether the programs are
// there afterwards. It can also not be interrupted: when ctx ends, its goroutine
// is left to end with its transfer, writing nowhere but below archives.
func (r release) download(ctx context.Context, folder, archives string) error {
	cfg := embeddedpostgres.DefaultConfig()
	if r.repository != "" {
		cfg = cfg.BinaryRepositoryURL(r.repository)
	}
	library := embeddedpostgres.NewDatabase(cfg.
		Version(r.version).
		CachePath(archives).
		BinariesPath(folder).
		RuntimePath(filepath.Join(archives, "runtime")).
		DataPath(filepath.Join(archives, "runtime", "data")).
		Encoding("none").
		Port(0).
		Logger(io.Discard))
	finished := make(chan error, 1)
	go func() { finished <- library.Start() }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("download PostgreSQL %s: %w", r.version, ctx.Err())
	case err := <-finished:
		if _, ok := serverFolder(filepath.Join(folder, "bin")); ok {
			return nil
		}
		if err == nil {
			err = errors.New("the archive holds no server")
		}
		return fmt.Errorf("download PostgreSQL %s from %s: %w", r.version, cmp.Or(r.repository, "Maven Central"), err)
	}
}

// lockFolder waits for the lock of a folder. Closing the file gives it back.
func lockFolder(ctx context.Context, folder string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock of cache folder: %w", err)
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		locked, err := tryLock(f)
		if locked {
			return f, nil
		}
		if err == nil {
			select {
			case <-again.C:
				continue
			case <-ctx.Done():
				err = fmt.Errorf("wait for another process's download of PostgreSQL: %w", ctx.Err())
			}
		}
		f.Close()
		return nil, err
	}
}
