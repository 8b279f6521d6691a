package kafkatest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed" // the list of jars
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// kafkaVersion is the release that the list belongs to.
const kafkaVersion = "4.4.0"

// jarList has a line for each jar of Kafka and what it needs to run, in the form
// of sha256sum: the checksum and the path below a Maven repository.
//
//go:embed kafka-4.4.0.sha256
var jarList string

// errUnavailable is wrapped by errors that mean that this machine lacks
// something which could not be downloaded either.
var errUnavailable = errors.New("not available on this machine")

// jar is a file of a Maven repository.
type jar struct{ path, sha256 string }

func jars() (all []jar) {
	for line := range strings.Lines(jarList) {
		sum, path, _ := strings.Cut(strings.TrimSpace(line), "  ")
		all = append(all, jar{path, sum})
	}
	return all
}

// maxJarBytes is more than the largest jar has.
const maxJarBytes = 64 << 20

// fetchJars returns the folder with all jars, downloading those it lacks.
// Processes that want to download at the same time take turns.
func fetchJars(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for downloads: %w", err)
	}
	folder := filepath.Join(cache, "changefeed-test", "kafka-"+kafkaVersion)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("make folder for downloads: %w", err)
	}
	lock, err := os.OpenFile(folder+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("open lock of downloads: %w", err)
	}
	defer lock.Close() // which gives the lock back
	if err := waitForLock(ctx, lock); err != nil {
		return "", err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	repository := strings.TrimRight(cmp.Or(os.Getenv("CHANGEFEED_MAVEN_REPOSITORY"), "https://repo1.maven.org/maven2"), "/")
	for _, j := range jars() {
		group.Go(func() error { return j.fetch(ctx, repository, folder) })
	}
	if err := group.Wait(); err != nil {
		return "", fmt.Errorf("download Kafka %s: %w: %w", kafkaVersion, errUnavailable, err)
	}
	return folder, nil
}

// waitForLock takes the exclusive lock of a file.
func waitForLock(ctx context.Context, f *os.File) error {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for another process's download of Kafka: %w", ctx.Err())
		}
	}
}

// fetch downloads the jar into a folder unless it is there. It appears there
// complete or not at all.
func (j jar) fetch(ctx context.Context, repository, folder string) error {
	final := filepath.Join(folder, filepath.Base(j.path))
	if _, err := os.Stat(final); err == nil {
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, repository+"/"+j.path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("download %s: the repository answered %s", j.path, response.Status)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxJarBytes))
	if err != nil {
		return fmt.Errorf("download %s: %w", j.path, err)
	}
	want, err := hex.DecodeString(j.sha256)
	if sum := sha256.Sum256(content); err != nil || !bytes.Equal(sum[:], want) {
		return fmt.Errorf("download %s: its SHA-256 is %x, want %s", j.path, sum, j.sha256)
	}
	part := final + ".part"
	if err := os.WriteFile(part, content, 0o644); err != nil {
		return err
	}
	return os.Rename(part, final)
}
