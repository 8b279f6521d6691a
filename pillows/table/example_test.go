package table_test

import (
	"fmt"

	"changefeed/pillows/table"
)

func ExampleConfig_Validate() {
	cfg := table.Config{
		Name: "order_report",
		Columns: []table.Column{
			{Name: "id", Path: "_id", Type: "text"},
			{Name: "total", Path: "total", Type: "money"},
		},
	}
	fmt.Println(cfg.Validate())
	// Output:
	// report table "order_report": column "total": type "money" is not known: use one of text, boolean, smallint, integer, bigint, numeric, numeric(precision,scale), real, double precision, date, timestamp, timestamptz, time, uuid, jsonb
	// report table "order_report": no column is the primary key: add {name: id, path: _id, type: text, primary_key: true} to columns
}
