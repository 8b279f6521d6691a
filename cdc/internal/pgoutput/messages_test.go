package pgoutput_test

import (
	"time"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// oneOfEachKind returns messages of all kinds with all fields set.
func oneOfEachKind() []*pgoutput.Message {
	at := time.Date(2026, time.March, 4, 5, 6, 7, 891_011_000, time.UTC)
	row := pgoutput.Tuple{
		pgoutputtest.Text("7"),
		pgoutputtest.Null(),
		pgoutputtest.Unchanged(),
		pgoutputtest.Binary(0, 255),
		pgoutputtest.Text(""),
	}
	key := pgoutput.Tuple{
		pgoutputtest.Text("6"),
		pgoutputtest.Null(),
		pgoutputtest.Null(),
		pgoutputtest.Null(),
		pgoutputtest.Null(),
	}
	return []*pgoutput.Message{
		{Kind: pgoutput.KindBegin, Begin: pgoutput.Begin{FinalLSN: 1 << 40, CommitTime: at, XID: 4_000_000_000}},
		{Kind: pgoutput.KindCommit, Commit: pgoutput.Commit{CommitLSN: 1 << 40, EndLSN: 1<<40 + 48, CommitTime: at}},
		{Kind: pgoutput.KindOrigin, Origin: pgoutput.Origin{CommitLSN: 99, Name: []byte("elsewhere")}},
		{Kind: pgoutput.KindRelation, Relation: pgoutput.Relation{
			ID: 16_391, Namespace: "public", Name: "orders", ReplicaIdentity: pgoutput.IdentityIndex,
			Columns: []pgoutput.Column{
				{Name: "order_id", Key: true, TypeOID: 20, TypeModifier: -1},
				{Name: "customer", TypeOID: 1043, TypeModifier: 44},
			},
		}},
		{Kind: pgoutput.KindType, Type: pgoutput.Type{OID: 16_386, Namespace: "public", Name: "mood"}},
		{Kind: pgoutput.KindInsert, Insert: pgoutput.Insert{RelationID: 16_391, New: row}},
		{Kind: pgoutput.KindUpdate, Update: pgoutput.Update{
			RelationID: 16_391, OldKind: pgoutput.OldKey, Old: key, New: row,
		}},
		{Kind: pgoutput.KindDelete, Delete: pgoutput.Delete{RelationID: 16_391, OldKind: pgoutput.OldRow, Old: row}},
		{Kind: pgoutput.KindTruncate, Truncate: pgoutput.Truncate{
			Cascade: true, RestartIdentity: true, RelationIDs: []uint32{16_391, 16_392},
		}},
		{Kind: pgoutput.KindMessage, Logical: pgoutput.LogicalMessage{
			Transactional: true, LSN: 77, Prefix: []byte("changefeed"), Content: []byte(`{"suppress":true}`),
		}},
	}
}
