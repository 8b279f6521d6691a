package cdc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"changefeed"
)

// maxMessage bounds the content of a message, in bytes.
const maxMessage = 64 << 10

// messageContent is the content of a logical message: one of the two.
type messageContent struct {
	suppress bool
	change   *messageChange
}

// messageChange is a change as a message gives it. Null and absent are the same.
type messageChange struct {
	topic, documentID              string
	documentType, documentSubtype  changefeed.Text
	domain                         changefeed.Text
	isDeletion                     bool
	dataSourceType, dataSourceName changefeed.Text
}

// parseMessage reads the content of a message, which must be a JSON object with
// the members that are known, each at most once.
func parseMessage(content []byte) (m messageContent, err error) {
	switch {
	case len(content) > maxMessage:
		return m, fmt.Errorf("it has %d bytes: want %d at most", len(content), maxMessage)
	case !utf8.Valid(content):
		return m, errors.New("it is not UTF-8")
	}
	r := messageReader{json.NewDecoder(bytes.NewReader(content))}
	members := 0
	err = r.object("it", func(name string) (err error) {
		members++
		switch name {
		case "suppress":
			m.suppress, err = r.flag(name)
		case "change":
			m.change, err = r.change(name)
		default:
			err = unknownMember(name)
		}
		return err
	})
	if err != nil {
		return messageContent{}, err
	}
	if _, err := r.Token(); !errors.Is(err, io.EOF) {
		return messageContent{}, errors.New("something follows its JSON object")
	}
	if members != 1 || !m.suppress && m.change == nil {
		return messageContent{}, errors.New(`want {"suppress": true} or {"change": {…}}`)
	}
	return m, nil
}

// messageReader reads JSON of a known shape, and nothing deeper.
type messageReader struct{ *json.Decoder }

// object calls member for each member, which has to read its value.
func (r messageReader) object(what string, member func(name string) error) error {
	if token, err := r.token(); err != nil || token != json.Delim('{') {
		return wrongType(what, "an object", err)
	}
	var seen []string
	for r.More() {
		token, err := r.token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // nothing else can be there
		if slices.Contains(seen, name) {
			return fmt.Errorf("%s is there twice", quoted(name))
		}
		seen = append(seen, name)
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

func (r messageReader) change(what string) (*messageChange, error) {
	c := &messageChange{}
	err := r.object(what, func(name string) (err error) {
		switch name {
		case "topic":
			c.topic, err = r.name(name)
		case "document_id":
			c.documentID, err = r.name(name)
		case "document_type":
			c.documentType, err = r.text(name)
		case "document_subtype":
			c.documentSubtype, err = r.text(name)
		case "domain":
			c.domain, err = r.text(name)
		case "is_deletion":
			c.isDeletion, err = r.flag(name)
		case "data_source_type":
			c.dataSourceType, err = r.text(name)
		case "data_source_name":
			c.dataSourceName, err = r.text(name)
		default:
			err = unknownMember(name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, c.validate()
}

func (c *messageChange) validate() error {
	const sql, couch = changefeed.SourceTypeSQL, changefeed.SourceTypeCouch
	switch sourceType := c.dataSourceType.Or(sql); {
	case c.topic == "":
		return errors.New("topic is missing")
	case c.documentID == "":
		return errors.New("document_id is missing")
	case c.dataSourceName.Valid && c.dataSourceName.String == "":
		return errors.New("data_source_name is empty: want a name or null")
	case sourceType != sql && sourceType != couch:
		return fmt.Errorf("data_source_type is %s: want %s, %s or null", quoted(sourceType), sql, couch)
	}
	return nil
}

// name reads a string; null is empty.
func (r messageReader) name(what string) (string, error) {
	t, err := r.text(what)
	return t.String, err
}

// text reads a string or null. A zero byte is refused: no text of PostgreSQL has
// one.
func (r messageReader) text(what string) (changefeed.Text, error) {
	token, err := r.token()
	switch value := token.(type) {
	case string:
		if strings.IndexByte(value, 0) >= 0 {
			return changefeed.Text{}, fmt.Errorf("%s holds a zero byte", what)
		}
		return changefeed.NewText(value), nil
	case nil:
		return changefeed.Text{}, err
	default:
		return changefeed.Text{}, wrongType(what, "a string or null", err)
	}
}

// flag reads a boolean. Null is false.
func (r messageReader) flag(what string) (bool, error) {
	token, err := r.token()
	switch value := token.(type) {
	case bool:
		return value, nil
	case nil:
		return false, err
	default:
		return false, wrongType(what, "true or false", err)
	}
}

func (r messageReader) token() (json.Token, error) {
	token, err := r.Token()
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	return token, nil
}

// wrongType is the error of a value of another type, unless there is one already.
func wrongType(what, want string, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s is not %s", what, want)
}

func unknownMember(name string) error { return fmt.Errorf("%s is not known", quoted(name)) }

// quoted quotes what a message holds, of which a log needs the beginning only.
func quoted(text string) string { return fmt.Sprintf("%.100q", text) }
