package table

import (
	"bytes"
	"strconv"
	"strings"
)

// node is a place in a document that paths lead to or through. A nil node is a
// place that nobody asks for.
type node struct {
	columns  []int // that want the value of this place
	members  map[string]*node
	elements map[int]*node
	// below are the columns of all places below this one.
	below []int
}

// newPaths returns the root of the tree of all columns' paths. Paths that are
// empty ask for nothing.
func newPaths(paths []string) *node {
	root := &node{}
	for column, path := range paths {
		if path == "" {
			continue
		}
		at := root
		for name := range strings.SplitSeq(path, ".") {
			at.below = append(at.below, column)
			at = at.child(name)
		}
		at.columns = append(at.columns, column)
	}
	return root
}

// child returns the node of a name, made where it is missing.
func (n *node) child(name string) *node {
	if c, ok := n.members[name]; ok {
		return c
	}
	if n.members == nil {
		n.members = make(map[string]*node)
		n.elements = make(map[int]*node)
	}
	c := &node{}
	n.members[name] = c
	if i, err := strconv.Atoi(name); err == nil && strconv.Itoa(i) == name {
		n.elements[i] = c
	}
	return c
}

// member returns the node of an object's member by its name as JSON writes it,
// quotes included.
func (n *node) member(quoted []byte) *node {
	if n == nil || len(n.members) == 0 {
		return nil
	}
	name := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		var err error
		if name, err = unquote(quoted); err != nil {
			return nil // no path holds what PostgreSQL cannot store
		}
	}
	return n.members[string(name)]
}

// element returns the node of a list's element.
func (n *node) element(i int) *node {
	if n == nil || len(n.elements) == 0 {
		return nil
	}
	return n.elements[i]
}

// clear forgets what an earlier member of the same name gave.
func (n *node) clear(values [][]byte) {
	if n == nil {
		return
	}
	for _, column := range n.columns {
		values[column] = nil
	}
	for _, column := range n.below {
		values[column] = nil
	}
}
