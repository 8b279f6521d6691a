package cdc_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
)

var update = flag.Bool("update", false, "write what came out into the transcripts")

// TestTranscripts plays testdata/transcripts/*.txt, one case each, to a publisher
// on a real server, and compares what comes out with what the files say. README.md
// there tells how to read and write them. Other versions of the server are chosen
// by CHANGEFEED_TEST_POSTGRES, as in "make versions".
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	server := transcriptServer(t)
	version := majorVersion(t, server)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			playTranscript(t, server, version, file)
		})
	}
}

func playTranscript(t *testing.T, server *localpg.Server, version, file string) {
	t.Helper()
	script := readTranscript(t, file)
	if !script.runsOn(version) {
		t.Skipf("not on version %s", version)
	}
	p := newPlayer(t, server.DSN(localpgtest.DatabaseOn(t, server)), script)
	outputs := p.playAll()
	want, got := script.render(version, nil), script.render(version, outputs)
	if *update && !t.Failed() {
		// What is said of no version in particular is said of the one that is found first.
		script.merge(version, outputs, os.Getenv("CHANGEFEED_TEST_POSTGRES") == "")
		script.write(t)
	} else if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-update writes what came out):\n%s", file, diff)
	}
}

func transcriptServer(t *testing.T) *localpg.Server {
	t.Helper()
	return localpgtest.New(t, localpg.Config{Settings: map[string]string{
		"max_prepared_transactions":  "10",
		"logical_decoding_work_mem":  "64kB", // larger transactions are spilled to disk, and must look no different
		"track_commit_timestamp":     "on",
		"max_slot_wal_keep_size":     "1GB", // else check warns
		"log_min_duration_statement": "-1",
	}})
}

func majorVersion(t *testing.T, server *localpg.Server) (version string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), "SELECT (current_setting('server_version_num')::int / 10000)::text").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

func TestTranscriptsAreWrittenAsTheyWereRead(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		script := readTranscript(t, file)
		before := script.archive.Files[len(script.archive.Files)-1]
		if before.Name != transcriptSection {
			t.Errorf("%s does not end with its transcript", file)
		}
		if diff := cmp.Diff(string(before.Data), script.text()); diff != "" {
			t.Errorf("%s:\n%s", file, diff)
		}
	}
}

func TestWhatComesOfAStepIsKeptByVersion(t *testing.T) {
	const first, second, third = "15", "17", "18"
	step := entry{prompt: sqlPrompt, input: []string{"SELECT 1"}}
	merge := func(version string, lines ...string) { step.merge(version, lines, version == first) }
	wantText := func(want string) {
		t.Helper()
		f := transcriptFile{entries: []entry{step}}
		if diff := cmp.Diff("sql> SELECT 1\n"+want, f.text()); diff != "" {
			t.Error(diff)
		}
		read, err := parseEntries(f.text())
		if err != nil || len(read) != 1 {
			t.Fatalf("read again: %+v, %v", read, err)
		}
		for _, version := range []string{first, second, third} {
			if diff := cmp.Diff(step.on(version), read[0].on(version)); diff != "" {
				t.Errorf("on %s, read again:\n%s", version, diff)
			}
		}
	}
	merge(first, "a", "b")
	merge(second, "a", "b")
	wantText("     a\n     b\n")
	merge(third, "c")
	wantText("     a\n     b\n  on 18\n     c\n")
	merge(second, "c")
	wantText("     a\n     b\n  on 17 18\n     c\n")
	merge(third)
	wantText("     a\n     b\n  on 17\n     c\n  on 18\n")
	merge(first, "c")
	merge(second, "c")
	wantText("     c\n  on 18\n")
}
