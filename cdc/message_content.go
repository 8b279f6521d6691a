package cdc

import (
	"errors"
	"fmt"
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
	r := &messageReader{text: content}
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
	if r.peek() != endOfText {
		return messageContent{}, errors.New("something follows its JSON object")
	}
	if members != 1 || !m.suppress && m.change == nil {
		return messageContent{}, errors.New(`want {"suppress": true} or {"change": {…}}`)
	}
	return m, nil
}

func (r *messageReader) change(what string) (*messageChange, error) {
	c := &messageChange{}
	err := r.object(what, func(name string) (err error) {
		switch name {
		case "topic":
			c.topic, err = r.name(name)
		case "document_id":
			c.documentID, err = r.name(name)
		case "document_type":
			c.documentType, err = r.value(name)
		case "document_subtype":
			c.documentSubtype, err = r.value(name)
		case "domain":
			c.domain, err = r.value(name)
		case "is_deletion":
			c.isDeletion, err = r.flag(name)
		case "data_source_type":
			c.dataSourceType, err = r.value(name)
		case "data_source_name":
			c.dataSourceName, err = r.value(name)
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

func unknownMember(name string) error { return fmt.Errorf("%s is not known", quoted(name)) }

// quoted quotes what a message holds, of which a log needs the beginning only.
func quoted(text string) string { return fmt.Sprintf("%.100q", text) }
