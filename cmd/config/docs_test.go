package config_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"changefeed/cmd/config"
)

var documentedKey = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// Every key of the types is documented, and every documented key exists.
func TestDocumentationHasEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, match := range documentedKey.FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, match[1])
	}
	var have []string
	keys(reflect.TypeFor[config.Config](), "", &have)
	// The three values have the same keys, which are documented once.
	have = slices.DeleteFunc(have, func(key string) bool {
		return strings.Contains(key, "document_type.") || strings.Contains(key, "document_subtype.")
	})
	slices.Sort(have)
	slices.Sort(documented)
	if diff := cmp.Diff(have, documented); diff != "" {
		t.Errorf("docs/configuration.md differs from the types (- only in the types, + only in the text):\n%s", diff)
	}
}

// keys lists the dotted keys of a type: [] stands for list elements, * for names.
func keys(of reflect.Type, at string, out *[]string) {
	switch of.Kind() {
	case reflect.Pointer:
		keys(of.Elem(), at, out)
	case reflect.Slice:
		keys(of.Elem(), at+"[]", out)
	case reflect.Map:
		if of.Elem().Kind() == reflect.Struct {
			keys(of.Elem(), at+".*", out)
		}
	case reflect.Struct:
		for field := range of.Fields() {
			name := field.Tag.Get("yaml")
			if name == "" || name == "-" {
				continue
			}
			key := strings.TrimPrefix(at+"."+name, ".")
			*out = append(*out, key)
			keys(field.Type, key, out)
		}
	default: // a value, which has no keys of its own
	}
}

// The example in the documentation is a file that loads.
func TestDocumentationExampleLoads(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if _, err := load(t, example); err != nil {
		t.Error(err)
	}
}
