package config

import (
	"errors"
	"fmt"

	"changefeed/cdc"
	"changefeed/pillows"
	"changefeed/pillows/table"
)

// Pillow is a named subscriber.
type Pillow struct {
	Name       string      `yaml:"name"`
	Topics     []string    `yaml:"topics"`
	Processors []Processor `yaml:"processors"`
}

// Processor is one of the kinds: exactly one field is set.
type Processor struct {
	Table *ReportTable `yaml:"table"`
}

// ReportTable keeps a report table.
type ReportTable struct {
	Name    string   `yaml:"name"`
	DSN     string   `yaml:"dsn"`
	DSNFile string   `yaml:"dsn_file"`
	Schema  string   `yaml:"schema"`
	Columns []Column `yaml:"columns"`
}

// Column of a report table.
type Column struct {
	Name       string `yaml:"name"`
	Path       string `yaml:"path"`
	Type       string `yaml:"type"`
	PrimaryKey bool   `yaml:"primary_key"`
}

// Config returns the processor's configuration.
func (t *ReportTable) Config() table.Config {
	out := table.Config{Name: t.Name, Schema: t.Schema}
	for _, column := range t.Columns {
		out.Columns = append(out.Columns, table.Column(column))
	}
	return out
}

// validateReports wants each report table to have one writer, and none of them to
// be a table that changes are published from: the pillow would write to the
// application's table, and its own writes would come back as changes for ever.
func (c *Config) validateReports() error {
	type report struct{ dsn, schema, name string }
	taken := make(map[report]string)
	for i := range c.Postgres {
		for _, t := range c.Postgres[i].Tables {
			if name, err := cdc.ParseTableName(t.Table); err == nil {
				taken[report{c.Postgres[i].DSN, name.Schema, name.Name}] = "changes are published from it as a table of source " + c.Postgres[i].Name
			}
		}
	}
	var faults []error
	for i := range c.Pillows {
		for j, p := range c.Pillows[i].Processors {
			if p.Table == nil {
				continue
			}
			t := p.Table.Config().WithDefaults()
			key := report{p.Table.DSN, t.Schema, t.Name}
			if by, ok := taken[key]; ok {
				faults = append(faults, fmt.Errorf("pillows[%d].processors[%d].table: %s.%s: %s: give the report table another name or schema", i, j, t.Schema, t.Name, by))
			}
			taken[key] = fmt.Sprintf("pillow %s keeps it", c.Pillows[i].Name)
		}
	}
	return errors.Join(faults...)
}

func (c *Config) validatePillow(i int) error {
	p := &c.Pillows[i]
	at := fmt.Sprintf("pillows[%d]", i)
	var faults []error
	if err := (pillows.Config{Name: p.Name, Topics: p.Topics}).Validate(); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", at, err))
	}
	if len(p.Processors) == 0 {
		faults = append(faults, fmt.Errorf("%s: no processors: a pillow without one does nothing", at))
	}
	for j, processor := range p.Processors {
		at := fmt.Sprintf("%s.processors[%d]", at, j)
		switch {
		case processor.Table == nil:
			faults = append(faults, fmt.Errorf("%s: no kind: write table: {…}", at))
		case processor.Table.DSN == "":
			faults = append(faults, fmt.Errorf("%s.table: no dsn, and no state.dsn or postgres source to take it from", at))
		default:
			if err := processor.Table.Config().Validate(); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", at, err))
			}
		}
	}
	return errors.Join(faults...)
}
