package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Bytes is a number of bytes written with its unit, as in 512MiB or 1GiB.
type Bytes int64

var byteUnits = []struct {
	name  string
	shift int
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}}

// UnmarshalYAML reads a number of bytes with its unit.
func (b *Bytes) UnmarshalYAML(node ast.Node) error {
	text := node.String()
	if s, ok := node.(*ast.StringNode); ok {
		text = s.Value
	}
	for _, unit := range byteUnits {
		number, found := strings.CutSuffix(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n <= 0 || n > 1<<(62-unit.shift) {
			break
		}
		*b = Bytes(n << unit.shift)
		return nil
	}
	return &yaml.SyntaxError{Message: fmt.Sprintf("%q is not a number of bytes such as 512MiB or 1GiB", text), Token: node.GetToken()}
}
