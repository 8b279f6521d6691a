package docstore

import (
	"fmt"
	"slices"
	"strings"

	"changefeed"
)

// Registry finds the document store of a change. Fill it before use; reading it
// is then safe from many goroutines.
type Registry struct {
	stores map[string]Store
}

// Register sets the store of a data source, by the name that its changes carry.
// A second store of the same name is an error.
func (r *Registry) Register(source string, s Store) error {
	if _, taken := r.stores[source]; taken {
		return fmt.Errorf("register document store: data source %q has one already", source)
	}
	if r.stores == nil {
		r.stores = make(map[string]Store)
	}
	r.stores[source] = s
	return nil
}

// Lookup returns the store of a change's source. It looks for the name in both
// source fields of the change, because old messages hold it in the type's field.
func (r *Registry) Lookup(m *changefeed.Meta) (Store, error) {
	if s, ok := r.stores[m.DataSourceName]; ok {
		return s, nil
	}
	if s, ok := r.stores[m.DataSourceType]; ok {
		return s, nil
	}
	return nil, fmt.Errorf("no document store for data source %q (type %q): known are %s",
		m.DataSourceName, m.DataSourceType, strings.Join(r.Names(), ", "))
}

// Names returns the names of the registered data sources, sorted.
func (r *Registry) Names() []string {
	names := make([]string, 0, len(r.stores))
	for name := range r.stores {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
