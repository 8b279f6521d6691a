package setup

import (
	"fmt"
	"hash/fnv"
	"slices"
	"unicode/utf8"

	"changefeed/cdc"
)

// identifierBytes is how long the server lets a name be.
const identifierBytes = 63

// identityIndexNames are the two names of an index that setup builds for a
// table. An index that is in use is replaced by one of the other name.
func identityIndexNames(t cdc.TableName) [2]string {
	return [2]string{
		shortName("changefeed_", t.Name, "_identity"),
		shortName("changefeed_", t.Name, "_identity_2"),
	}
}

// shortName joins a name from its parts. Of a middle that is too long it keeps
// the start, and a hash of the whole that tells it from others.
func shortName(prefix, middle, suffix string) string {
	if len(prefix)+len(middle)+len(suffix) <= identifierBytes {
		return prefix + middle + suffix
	}
	hash := fnv.New32a()
	hash.Write([]byte(middle))
	suffix = fmt.Sprintf("_%08x%s", hash.Sum32(), suffix)
	end := identifierBytes - len(prefix) - len(suffix)
	for !utf8.RuneStart(middle[end]) {
		end--
	}
	return prefix + middle[:end] + suffix
}

// isIdentityIndex reports whether an index of the table has a name that setup
// gives.
func isIdentityIndex(t *catalogTable, name string) bool {
	names := identityIndexNames(t.name)
	return slices.Contains(names[:], name)
}

// identityName chooses the name of the index over these columns, and says
// whether it is there and fit already.
func identityName(t *catalogTable, columns []string) (name string, built bool) {
	names := identityIndexNames(t.name)
	for _, name := range names {
		ix := t.index(name)
		if ix != nil && ix.key && ix.notNull && len(ix.columns) == len(columns) && subset(columns, ix.columns) {
			return name, true
		}
	}
	if ix := t.index(names[0]); ix != nil && ix == t.identityIndex() {
		return names[1], false
	}
	return names[0], false
}

// identitySteps build the index over the columns and make it the identity.
func identitySteps(t *catalogTable, columns []string) Steps {
	name, built := identityName(t, columns)
	table := t.name.SQL()
	var steps Steps
	if ix := t.index(name); ix != nil && !built {
		steps = append(steps, dropIndexStep(t, ix))
	}
	if !built {
		steps = append(steps, Step{
			Why: fmt.Sprintf("index what a deleted row of %s has to name: %s; the application goes on writing meanwhile, transactions that are open now are waited for",
				table, sentence(columns)),
			SQL:   []string{fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s)", cdc.QuoteIdent(name), table, cdc.QuoteIdents(columns))},
			Alone: true,
		})
	}
	return append(steps, Step{
		Why: fmt.Sprintf("make it the replica identity of %s; this takes an ACCESS EXCLUSIVE lock for a moment, and gives up rather than let the application wait", table),
		SQL: []string{limitLock, alterIdentity(t.name, "USING INDEX "+cdc.QuoteIdent(name))},
	})
}

// leftoverSteps drop indexes of setup's names that are not the identity once
// these columns, if any, are.
func leftoverSteps(t *catalogTable, columns []string) Steps {
	kept := ""
	if columns != nil {
		kept, _ = identityName(t, columns)
	} else if ix := t.identityIndex(); ix != nil {
		kept = ix.name
	}
	var steps Steps
	for _, name := range identityIndexNames(t.name) {
		if ix := t.index(name); ix != nil && name != kept {
			steps = append(steps, dropIndexStep(t, ix))
		}
	}
	return steps
}

func dropIndexStep(t *catalogTable, ix *catalogIndex) Step {
	why := "drop an index of " + t.name.SQL() + " that an earlier set-up left"
	if !ix.valid {
		why = "drop an index of " + t.name.SQL() + " whose building was broken off"
	}
	return Step{Why: why, SQL: []string{"DROP INDEX CONCURRENTLY " + cdc.TableName{Schema: t.name.Schema, Name: ix.name}.SQL()}, Alone: true}
}

func alterIdentity(t cdc.TableName, identity string) string {
	return "ALTER TABLE " + t.SQL() + " REPLICA IDENTITY " + identity
}
