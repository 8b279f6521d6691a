package main

import (
	"fmt"

	"changefeed/cmd/config"
)

// indexes looks every name up, or returns all n indexes where none is given. It
// is an error where there is none at all.
func indexes(names []string, n int, none string, find func(string) (int, error)) ([]int, error) {
	if n == 0 {
		return nil, fmt.Errorf("%w: %s", config.ErrInvalid, none)
	}
	var all []int
	if len(names) == 0 {
		for i := range n {
			all = append(all, i)
		}
	}
	for _, name := range names {
		i, err := find(name)
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}
