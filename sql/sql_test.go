package sql_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"changefeed/sql"
)

func TestReadNumbersScriptsAndNormalizesLineEnds(t *testing.T) {
	const dir = "scripts"
	read := func(text string) sql.Set {
		t.Helper()
		set, err := sql.Read(fstest.MapFS{
			dir + "/0001_first.sql":  {Data: []byte(text)},
			dir + "/0002_second.sql": {Data: []byte("SELECT 2")},
		}, dir)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	set := read("SELECT 1;\nSELECT 11;\n")
	if diff := cmp.Diff(set, read("SELECT 1;\r\nSELECT 11;\r\n")); diff != "" {
		t.Errorf("line ends matter:\n%s", diff)
	}
	if set.Migrations[0].Checksum == read("SELECT 1;\nSELECT 12;\n").Migrations[0].Checksum {
		t.Error("another script has the same checksum")
	}
	if got, want := set.Migrations[0].SQL, "SELECT 1;\nSELECT 11"; got != want {
		t.Errorf("SQL %q, want %q", got, want)
	}
	m := set.Migrations[1]
	want := "INSERT INTO changefeed.scripts_migrations (number, name, checksum) VALUES (2, 'second', '" + m.Checksum + "')"
	if got := set.Record(m); got != want {
		t.Errorf("record %q, want %q", got, want)
	}
}

func TestReadRefusesGapsAndOtherNames(t *testing.T) {
	for _, name := range []string{"0002_first.sql", "1_first.sql", "0001.sql", "first.sql"} {
		_, err := sql.Read(fstest.MapFS{"scripts/" + name: {}}, "scripts")
		if err == nil || !strings.Contains(err.Error(), "0001_NAME.sql") {
			t.Errorf("%s: error %v, want the name that it should have", name, err)
		}
	}
}

// A script reaches databases of every encoding as it is.
func TestScriptsAreASCII(t *testing.T) {
	for _, set := range []sql.Set{sql.State(), sql.Source()} {
		for _, m := range set.Migrations {
			if i := strings.IndexFunc(m.SQL, func(r rune) bool { return r > 0x7f }); i >= 0 {
				t.Errorf("%s %04d_%s: not ASCII from %.20q on", set.Table, m.Number, m.Name, m.SQL[i:])
			}
		}
	}
}
