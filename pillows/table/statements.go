package table

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements are the SQL of one report table. Values travel as text[], one array
// for each column, and are read by the server's input functions.
type statements struct {
	// guard takes document ids, versions, the report's name and which of the ids
	// are of deletions. It returns the ids of the documents that may be written:
	// whose version was raised, or is that of a save.
	guard string
	// remove takes primary keys.
	remove string
	// save takes an array for each column, and one of versions.
	save string
}

func newStatements(c Config, columns []column) statements {
	report, guard := quoted(c.Schema, c.Name), quoted(c.StateSchema, guardName)
	var key column
	var names, params, aliases, values, updates []string
	for i, col := range columns {
		name, alias := quoted(col.Name), fmt.Sprintf("c%d", i)
		names = append(names, name)
		params = append(params, fmt.Sprintf("$%d::text[]", i+1))
		aliases = append(aliases, alias)
		values = append(values, alias+"::"+col.kind.name)
		if col.PrimaryKey {
			key = col
			continue
		}
		updates = append(updates, name+" = excluded."+name)
	}
	version := quoted(versionColumn)
	updates = append(updates, version+" = excluded."+version)
	return statements{
		guard: "INSERT INTO " + guard + " AS have (report, document_id, version)" +
			" SELECT $3::text, id, version::bigint FROM unnest($1::text[], $2::text[]) AS new (id, version)" +
			" ON CONFLICT (report, document_id) DO UPDATE SET version = excluded.version WHERE have.version < excluded.version" +
			" OR have.version = excluded.version AND excluded.document_id <> ALL ($4::text[])" +
			" RETURNING document_id",
		remove: "DELETE FROM " + report + " WHERE " + quoted(key.Name) + " = ANY ($1::text[]::" + key.kind.name + "[])",
		save: "INSERT INTO " + report + " (" + strings.Join(append(names, version), ", ") + ")" +
			" SELECT " + strings.Join(append(values, "version::bigint"), ", ") +
			" FROM unnest(" + strings.Join(params, ", ") + fmt.Sprintf(", $%d::text[]) AS new (", len(columns)+1) + strings.Join(append(aliases, "version"), ", ") + ")" +
			" ON CONFLICT (" + quoted(key.Name) + ") DO UPDATE SET " + strings.Join(updates, ", "),
	}
}

// quoted returns a name of one or more parts as SQL.
func quoted(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// reportName returns the name that a report has in the guard: schema.name, each
// part quoted only where it must be, so that no two tables share one.
func reportName(c Config) string { return plain(c.Schema) + "." + plain(c.Name) }

func plain(name string) string {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return quoted(name)
		}
	}
	return name
}
