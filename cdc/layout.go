package cdc

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"changefeed"
)

// layoutVersion numbers the rules by which changes are numbered. It grows when
// the same log gives other positions than before.
const layoutVersion = 1

// layoutOf says what positions depend on beside the log: the rules of assembly,
// the limits of pieces, the topics of messages, and of the routes all that decides
// which documents there are, in which order, on which topics, and how their bytes
// are counted. What only decides what a change says is left out.
func layoutOf(cfg *Config) string {
	type table struct {
		Name, Parent TableName
		Topic, Group string
		ID, Columns  []string
		Operations   Operations
		Order        int
	}
	var tables []table
	for i := range cfg.Tables {
		t := &cfg.Tables[i]
		tables = append(tables, table{
			Name: t.Name, Parent: t.Parent, Topic: t.Topic, Group: cfg.DataSourceName(t),
			ID: t.DocumentID, Operations: t.operations(), Order: t.Order,
			Columns: []string{t.Domain.Column, t.DocumentType.Column, t.DocumentSubtype.Column, t.Deleted.Column},
		})
	}
	text, _ := json.Marshal([]any{tables, slices.Sorted(slices.Values(cfg.Topics))}) // it holds nothing that cannot be marshalled
	sum := sha256.Sum256(text)
	return fmt.Sprintf("rules=%d piece_documents=%d piece_bytes=%d routes=%s",
		layoutVersion, cfg.PieceDocuments, cfg.PieceBytes, hex.EncodeToString(sum[:8]))
}

// layoutOfTables adds which tables have which routes, by their OIDs: a partition
// that is detached, or a table that is renamed, takes its rows out of transactions
// that are read again, and so their numbers.
func layoutOfTables(tables map[uint32]TableName) string {
	var text []byte
	for _, oid := range slices.Sorted(maps.Keys(tables)) {
		text = fmt.Appendf(text, "%d %s\n", oid, tables[oid].SQL())
	}
	sum := sha256.Sum256(text)
	return " tables=" + hex.EncodeToString(sum[:8])
}

// layoutChanges lists the parts of a layout that differ, for people.
func layoutChanges(before, now string) []string {
	was := strings.Fields(before)
	var changed []string
	for part := range strings.FieldsSeq(now) {
		if !slices.Contains(was, part) {
			name, _, _ := strings.Cut(part, "=")
			changed = append(changed, name)
		}
	}
	if len(changed) == 0 && before != now {
		changed = append(changed, "rules")
	}
	return changed
}

// partitionChanges lists the topics that have another number of partitions than
// they had.
func partitionChanges(topics []string, before, now changefeed.Offsets) []string {
	var changed []string
	for _, topic := range topics {
		if len(before[topic]) != len(now[topic]) {
			changed = append(changed, "partitions of "+topic)
		}
	}
	return changed
}
