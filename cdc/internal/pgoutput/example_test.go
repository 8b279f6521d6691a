package pgoutput_test

import (
	"fmt"

	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// One Message serves for a whole stream. Relations are kept, for they say what
// the columns of the rows after them are.
func ExampleMessage_Decode() {
	stream := [][]byte{
		pgoutputtest.AppendRelation(nil, pgoutput.Relation{
			ID: 16391, Namespace: "public", Name: "orders", ReplicaIdentity: pgoutput.IdentityDefault,
			Columns: []pgoutput.Column{
				{Name: "order_id", Key: true, TypeOID: 20, TypeModifier: -1},
				{Name: "note", TypeOID: 25, TypeModifier: -1},
			},
		}),
		pgoutputtest.AppendUpdate(nil, pgoutput.Update{
			RelationID: 16391,
			New:        pgoutput.Tuple{pgoutputtest.Text("7"), pgoutputtest.Unchanged()},
		}),
		[]byte("I\x00\x00\x40\x07N\x00\x02t\x00\x00\x03\xe87"),
	}

	relations := make(map[uint32]pgoutput.Relation)
	var m pgoutput.Message
	for _, data := range stream {
		if err := m.Decode(data); err != nil {
			fmt.Println(err)
			return
		}
		switch m.Kind {
		case pgoutput.KindRelation:
			relations[m.Relation.ID] = m.Relation
		case pgoutput.KindUpdate:
			for i, column := range relations[m.Update.RelationID].Columns {
				fmt.Printf("%s %c %q\n", column.Name, m.Update.New[i].Kind, m.Update.New[i].Data)
			}
		default:
			fmt.Println(m.Kind)
		}
	}
	// Output:
	// order_id t "7"
	// note u ""
	// decode pgoutput insert message: byte 9: column 0 of 2: length 1000 with 1 bytes left
}
