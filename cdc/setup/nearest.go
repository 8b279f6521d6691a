package setup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// nearest returns up to three of the candidates that name could be a slip of,
// the likeliest first.
func nearest(name string, candidates []string) []string {
	type scored struct {
		name     string
		distance int
	}
	folded := fold(name)
	limit := max(2, len(folded)/4)
	var near []scored
	for _, candidate := range candidates {
		if d := distance(folded, fold(candidate), limit); d <= limit {
			near = append(near, scored{candidate, d})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, s := range near[:min(3, len(near))] {
		names = append(names, s.name)
	}
	return names
}

// fold takes out what is easily mistaken: case, quotes and underscores.
func fold(name string) string {
	return strings.NewReplacer(`"`, "", "_", "").Replace(strings.ToLower(name))
}

// distance is the number of single-byte edits between two names, or any number
// above limit where it is above.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitution := diagonal
			if a[i] != b[j] {
				substitution++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitution, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// abridged joins names for a message, the first twenty of them.
func abridged(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", sentence(names[:most]), len(names)-most)
	}
	return sentence(names)
}
