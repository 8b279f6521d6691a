package sql

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed state/*.sql source/*.sql
var files embed.FS

// Schema is the schema that all objects are in.
const Schema = "changefeed"

// A Set is the migrations of one kind of database.
type Set struct {
	// Table is where in [Schema] its migrations are recorded.
	Table string
	// Migrations in the order of their numbers, which count from 1.
	Migrations []Migration
}

// A Migration is one script.
type Migration struct {
	Number int
	Name   string
	// SQL are statements to run in one transaction, without a semicolon at the end
	// of the last one.
	SQL string
	// Checksum is the SHA-256 of the script's file, in hexadecimal digits. Line
	// ends count as single line feeds.
	Checksum string
}

// State returns the migrations of the database of state.dsn.
func State() Set { return state() }

// Source returns the migrations of a database that changes are published from.
func Source() Set { return source() }

var (
	state  = sync.OnceValue(func() Set { return embedded("state") })
	source = sync.OnceValue(func() Set { return embedded("source") })
)

// embedded reads a set that is part of the program, whose tests read it too.
func embedded(dir string) Set {
	s, err := Read(files, dir)
	if err != nil {
		panic(err)
	}
	return s
}

// Read reads the set in a directory of files named NUMBER_NAME.sql. Their numbers
// have four digits and count from 0001 without a gap. The set's table is named
// after the directory.
func Read(files fs.FS, dir string) (Set, error) {
	set := Set{Table: path.Base(dir) + "_migrations"}
	entries, err := fs.ReadDir(files, dir) // in the order of their names
	if err != nil {
		return set, fmt.Errorf("read migrations: %w", err)
	}
	for i, entry := range entries {
		name := path.Join(dir, entry.Name())
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return set, fmt.Errorf("read migration: %w", err)
		}
		number, title, found := strings.Cut(strings.TrimSuffix(entry.Name(), ".sql"), "_")
		if !found || number != fmt.Sprintf("%04d", i+1) {
			return set, fmt.Errorf("read migration %s: it is not named %04d_NAME.sql", name, i+1)
		}
		set.Migrations = append(set.Migrations, newMigration(i+1, title, string(text)))
	}
	return set, nil
}

func newMigration(number int, name, text string) Migration {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	sum := sha256.Sum256([]byte(text))
	return Migration{
		Number: number, Name: name, Checksum: hex.EncodeToString(sum[:]),
		SQL: strings.TrimSuffix(strings.TrimSpace(text), ";"),
	}
}

// Record returns the statement that records a migration as done.
func (s Set) Record(m Migration) string {
	return "INSERT INTO " + Schema + "." + s.Table + " (number, name, checksum) VALUES (" +
		strconv.Itoa(m.Number) + ", " + quote(m.Name) + ", " + quote(m.Checksum) + ")"
}

// quote makes a literal.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
