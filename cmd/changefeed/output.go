package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print writes rows: as a table with the given heads, or with --json each as an
// object of its own.
func printRows[T any](a *app, heads []string, rows []T, cells func(T) []string) error {
	if a.flags.JSON {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetEscapeHTML(false)
		for _, row := range rows {
			if err := encoder.Encode(row); err != nil {
				return err
			}
		}
		return nil
	}
	return printTable(a.stdout, heads, rows, cells)
}

func printTable[T any](w io.Writer, heads []string, rows []T, cells func(T) []string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.ToUpper(strings.Join(heads, "\t")))
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(cells(row), "\t"))
	}
	return table.Flush()
}
