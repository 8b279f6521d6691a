package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decode parses text, expands variables and fills c.
func decode(path string, text []byte, environment func(string) (string, bool), c *Config) error {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return located(path, err)
	}
	switch {
	case len(file.Docs) > 1:
		return fmt.Errorf("%w: %s: more than one document: remove the line ---", ErrInvalid, path)
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		return fmt.Errorf("%w: %s is empty", ErrInvalid, path)
	}
	body := file.Docs[0].Body
	expansion := expander{environment: environment}
	ast.Walk(&expansion, body)
	var faults []error
	for _, err := range expansion.faults {
		faults = append(faults, located(path, err))
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	return located(path, strict(body, c))
}

// strict decodes a node and refuses keys that the target does not have.
func strict(node ast.Node, target any) error {
	return yaml.NodeToValue(node, target, yaml.Strict())
}

// located puts file, line and column before the message of a YAML error.
func located(path string, err error) error {
	if err == nil {
		return nil
	}
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf("%w: %s: %w", ErrInvalid, path, err)
	}
	position := at.GetToken().Position
	return fmt.Errorf("%w: %s:%d:%d: %s", ErrInvalid, path, position.Line, position.Column, at.GetMessage())
}

// expander replaces ${NAME} in every string value. Keys stay as they are.
type expander struct {
	environment func(string) (string, bool)
	faults      []error
}

// Visit implements ast.Visitor.
func (e *expander) Visit(node ast.Node) ast.Visitor {
	switch n := node.(type) {
	case *ast.MappingValueNode:
		ast.Walk(e, n.Value)
		return nil
	case *ast.StringNode:
		n.Value = e.expand(n.Value, n.Token)
	case *ast.LiteralNode:
		n.Value.Value = e.expand(n.Value.Value, n.Start)
		return nil
	}
	return e
}

func (e *expander) expand(text string, at *token.Token) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			return out.String()
		}
		if strings.HasSuffix(before, "$") {
			out.WriteString(before[:len(before)-1] + "${")
			text = rest
			continue
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			e.fault(at, "${ without }: write $${ for the characters themselves")
			return text
		}
		out.WriteString(before + e.variable(name, at))
		text = after
	}
}

func (e *expander) variable(expression string, at *token.Token) string {
	name, fallback, hasFallback := strings.Cut(expression, ":-")
	value, set := e.environment(name)
	switch {
	case set:
		return value
	case hasFallback:
		return fallback
	}
	e.fault(at, fmt.Sprintf("environment variable %s is not set: set it, or give a default as in ${%s:-text}", name, name))
	return ""
}

func (e *expander) fault(at *token.Token, message string) {
	e.faults = append(e.faults, &yaml.SyntaxError{Message: message, Token: at})
}
