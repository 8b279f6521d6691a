package cdc

import (
	"fmt"
	"strings"
)

// Operations is a set of row operations.
type Operations uint8

// The operations of a route.
const (
	Insert Operations = 1 << iota
	Update
	Delete

	AllOperations = Insert | Update | Delete
)

var operationNames = [...]struct {
	op   Operations
	name string
}{{Insert, "insert"}, {Update, "update"}, {Delete, "delete"}}

// ParseOperations reads a list of insert, update and delete.
func ParseOperations(names []string) (Operations, error) {
	var ops Operations
	for _, name := range names {
		found := false
		for _, o := range operationNames {
			if o.name == name {
				ops |= o.op
				found = true
			}
		}
		if !found {
			return 0, fmt.Errorf("operation %q: want insert, update or delete", name)
		}
	}
	return ops, nil
}

// Names returns the operations in the order insert, update, delete.
func (o Operations) Names() []string {
	var names []string
	for _, n := range operationNames {
		if o&n.op != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

func (o Operations) suffix() string { return strings.Join(o.Names(), "_") }
