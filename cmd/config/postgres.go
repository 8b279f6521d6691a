package config

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"

	"changefeed"
	"changefeed/cdc"
)

// Postgres is one database that changes are published from.
type Postgres struct {
	Name            string  `yaml:"name"`
	DSN             string  `yaml:"dsn"`
	DSNFile         string  `yaml:"dsn_file"`
	ReplicaDSN      string  `yaml:"replica_dsn"`
	ReplicaDSNFile  string  `yaml:"replica_dsn_file"`
	Slot            string  `yaml:"slot"`
	Publication     string  `yaml:"publication"`
	AllowSuppress   bool    `yaml:"allow_suppress"`
	RetainedWarning Bytes   `yaml:"retained_warning"`
	OnSlotLost      string  `yaml:"on_slot_lost"`
	Tables          []Table `yaml:"tables"`
}

// What on_slot_lost can say.
const (
	StopAtLostSlot = "stop"
	RecreateSlot   = "recreate"
)

// Topics returns the topics that its tables name, once a table.
func (p *Postgres) Topics() []string {
	var names []string
	for i := range p.Tables {
		if name := p.Tables[i].Topic; name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Table is a route.
type Table struct {
	Table           string     `yaml:"table"`
	Topic           string     `yaml:"topic"`
	DocumentID      []string   `yaml:"document_id"`
	DocumentType    *Value     `yaml:"document_type"`
	DocumentSubtype *Value     `yaml:"document_subtype"`
	Domain          *Value     `yaml:"domain"`
	Deleted         *Condition `yaml:"deleted"`
	Operations      []string   `yaml:"operations"`
	Parent          string     `yaml:"parent"`
}

// Value is a constant, written as a string, or made of a column.
type Value struct {
	Constant *string           `yaml:"-"`
	Column   string            `yaml:"column"`
	Values   map[string]string `yaml:"values"`
	Default  *string           `yaml:"default"`
}

// UnmarshalYAML reads either form.
func (v *Value) UnmarshalYAML(node ast.Node) error {
	if scalar, ok := node.(ast.ScalarNode); ok {
		text := scalar.GetToken().Value
		if s, ok := node.(*ast.StringNode); ok {
			text = s.Value
		}
		v.Constant = &text
		return nil
	}
	type plain Value
	return strict(node, (*plain)(v))
}

// Condition tells deleted rows.
type Condition struct {
	Column string  `yaml:"column"`
	Is     *string `yaml:"is"`
	Bit    int64   `yaml:"bit"`
}

// Publisher returns the publisher's configuration of source i.
func (c *Config) Publisher(i int) (cdc.Config, error) {
	p := &c.Postgres[i]
	out := cdc.Config{
		Source: p.Name, DSN: p.DSN, Slot: p.Slot, Publication: p.Publication,
		Topics: c.Kafka.TopicNames(), AllowSuppress: p.AllowSuppress,
		RetainedWarning: int64(p.RetainedWarning),
		StartupTimeout:  time.Duration(c.StartupTimeout), DrainTimeout: time.Duration(c.DrainTimeout),
	}
	var faults []error
	switch p.OnSlotLost {
	case "", StopAtLostSlot, RecreateSlot:
	default:
		faults = append(faults, fmt.Errorf("postgres[%d].on_slot_lost: %q is none of stop and recreate", i, p.OnSlotLost))
	}
	for j := range p.Tables {
		t, err := p.Tables[j].route()
		if err != nil {
			faults = append(faults, fmt.Errorf("postgres[%d].tables[%d]: %w", i, j, err))
		}
		out.Tables = append(out.Tables, t)
	}
	if err := errors.Join(faults...); err != nil {
		return out, err
	}
	out = out.WithDefaults()
	if err := out.Validate(); err != nil {
		return out, fmt.Errorf("postgres[%d]: %w", i, err)
	}
	return out, nil
}

func (t *Table) route() (cdc.Table, error) {
	out := cdc.Table{
		Topic: t.Topic, DocumentID: t.DocumentID,
		DocumentType: t.DocumentType.value(), DocumentSubtype: t.DocumentSubtype.value(), Domain: t.Domain.value(),
		Deleted: t.Deleted.condition(),
	}
	var errName, errParent, errOps error
	if t.Table == "" {
		errName = errors.New("no table: write schema.table")
	} else {
		out.Name, errName = cdc.ParseTableName(t.Table)
	}
	if t.Parent != "" {
		out.Parent, errParent = cdc.ParseTableName(t.Parent)
	}
	out.Operations, errOps = cdc.ParseOperations(t.Operations)
	return out, errors.Join(errName, errParent, errOps)
}

func (v *Value) value() cdc.Value {
	if v == nil {
		return cdc.Value{}
	}
	return cdc.Value{Constant: text(v.Constant), Column: v.Column, Values: v.Values, Default: text(v.Default)}
}

func (c *Condition) condition() cdc.Condition {
	if c == nil {
		return cdc.Condition{}
	}
	out := cdc.Condition{Column: c.Column, Bit: c.Bit}
	switch {
	case c.Is == nil:
	case *c.Is == "not null":
		out.NotNull = true
	case *c.Is == "null":
		out.Null = true
	default:
		out.Is = text(c.Is)
	}
	return out
}

func text(s *string) changefeed.Text {
	if s == nil {
		return changefeed.Text{}
	}
	return changefeed.NewText(*s)
}

// UnmarshalYAML takes is: true and is: null as what they look like.
func (c *Condition) UnmarshalYAML(node ast.Node) error {
	var raw struct {
		Column string   `yaml:"column"`
		Is     ast.Node `yaml:"is"`
		Bit    int64    `yaml:"bit"`
	}
	if err := strict(node, &raw); err != nil {
		return err
	}
	c.Column, c.Bit = raw.Column, raw.Bit
	switch is := raw.Is.(type) {
	case nil: // absent, or a null, which the decoder leaves out
		if holdsKey(node, "is") {
			text := "null"
			c.Is = &text
		}
	case *ast.StringNode:
		c.Is = &is.Value
	case *ast.BoolNode:
		text := strconv.FormatBool(is.Value)
		c.Is = &text
	default:
		text := is.GetToken().Value
		c.Is = &text
	}
	return nil
}

// holdsKey reports whether a mapping has a key, with whatever value.
func holdsKey(node ast.Node, key string) bool {
	mapping, ok := node.(ast.MapNode)
	if !ok {
		return false
	}
	for entries := mapping.MapRange(); entries.Next(); {
		if entries.Key().String() == key {
			return true
		}
	}
	return false
}
