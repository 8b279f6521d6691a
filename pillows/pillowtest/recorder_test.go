package pillowtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"changefeed/pillows"
	"changefeed/pillows/pillowtest"
)

type body struct {
	Value string `json:"value"`
	Bad   bool   `json:"bad"`
}

func TestRecorderConforms(t *testing.T) {
	pillowtest.Run(t, func(*testing.T) pillowtest.Subject {
		r := pillowtest.NewRecorder("recorder")
		r.Refuse = func(item pillows.Item) error {
			var b body
			if item.Change.Meta.IsDeletion {
				return nil
			}
			if err := json.Unmarshal(item.Document.Body, &b); err != nil {
				return err
			}
			if b.Bad {
				return errors.New("the document is bad")
			}
			return nil
		}
		return pillowtest.Subject{
			Processor: r,
			Read: func(_ context.Context, id string) (string, bool, error) {
				raw, present := r.Read(id)
				if !present {
					return "", false, nil
				}
				var b body
				err := json.Unmarshal(raw, &b)
				return b.Value, true, err
			},
			Body:    func(_, value string) json.RawMessage { return fmt.Appendf(nil, `{"value": %q}`, value) },
			BadBody: func(string) json.RawMessage { return json.RawMessage(`{"bad": true}`) },
		}
	})
}
