package changefeed

import (
	"encoding/json"
	"strconv"
	"time"
)

// SourceTypeSQL and SourceTypeCouch are the values of Meta.DataSourceType.
const (
	SourceTypeSQL   = "sql"
	SourceTypeCouch = "couch"
)

// Meta is the JSON object of a change, known to its readers as ChangeMeta.
type Meta struct {
	// DocumentID identifies the document in its source. Required. A number is
	// accepted when read and becomes its decimal text.
	DocumentID string
	// DocumentRev is CouchDB's _rev, and null for SQL sources.
	DocumentRev Text
	// DataSourceType is "sql" or "couch". Required. Old messages hold the name
	// of the source here: see HasSource.
	DataSourceType string
	// DataSourceName names the document store that has the document. Required.
	DataSourceName string
	// DocumentType, DocumentSubtype and Domain are null where not known.
	DocumentType    Text
	DocumentSubtype Text
	Domain          Text
	// IsDeletion is true for soft and for hard deletions.
	IsDeletion bool
	// PublishTimestamp is the time of the latest publication.
	PublishTimestamp time.Time
	// Attempts counts failed processing attempts, carried through retries.
	Attempts int
	// OriginalPublication is the time of the first publication.
	OriginalPublication time.Time
	// AssociatedDocumentID is the document that caused the change, or null.
	AssociatedDocumentID Text
	// Unknown is a JSON object with the fields that this package does not know,
	// as they were read; nil where there were none.
	Unknown json.RawMessage
}

// HasSource reports whether the change is from the named source. It looks at
// both source fields, because old messages hold the name in the type's field.
func (m *Meta) HasSource(name string) bool {
	return m.DataSourceName == name || m.DataSourceType == name
}

// The twelve fields, as written on the wire.
const (
	fieldDocumentID           = "document_id"
	fieldDocumentRev          = "document_rev"
	fieldDataSourceType       = "data_source_type"
	fieldDataSourceName       = "data_source_name"
	fieldDocumentType         = "document_type"
	fieldDocumentSubtype      = "document_subtype"
	fieldDomain               = "domain"
	fieldIsDeletion           = "is_deletion"
	fieldPublishTimestamp     = "publish_timestamp"
	fieldAttempts             = "attempts"
	fieldOriginalPublication  = "original_publication_datetime"
	fieldAssociatedDocumentID = "associated_document_id"
)

// AppendJSON appends the JSON object and returns the extended buffer. It does
// not allocate where the buffer has room.
func (m *Meta) AppendJSON(dst []byte) []byte {
	var c clock
	return m.appendJSON(dst, &c)
}

// appendJSON is AppendJSON with a clock that lasts.
func (m *Meta) appendJSON(dst []byte, c *clock) []byte {
	dst = append(dst, `{"`+fieldDocumentID+`": `...)
	dst = appendString(dst, m.DocumentID)
	dst = appendText(dst, fieldDocumentRev, m.DocumentRev)
	dst = appendText(dst, fieldDataSourceType, NewText(m.DataSourceType))
	dst = appendText(dst, fieldDataSourceName, NewText(m.DataSourceName))
	dst = appendText(dst, fieldDocumentType, m.DocumentType)
	dst = appendText(dst, fieldDocumentSubtype, m.DocumentSubtype)
	dst = appendText(dst, fieldDomain, m.Domain)
	dst = appendName(dst, fieldIsDeletion)
	dst = strconv.AppendBool(dst, m.IsDeletion)
	dst = appendName(dst, fieldPublishTimestamp)
	dst = c.append(dst, m.PublishTimestamp)
	dst = appendName(dst, fieldAttempts)
	dst = strconv.AppendInt(dst, int64(m.Attempts), 10)
	dst = appendName(dst, fieldOriginalPublication)
	dst = c.append(dst, m.OriginalPublication)
	dst = appendText(dst, fieldAssociatedDocumentID, m.AssociatedDocumentID)
	if n := len(m.Unknown); n > 2 {
		dst = append(dst, ", "...)
		dst = append(dst, m.Unknown[1:n-1]...)
	}
	return append(dst, '}')
}

// MarshalJSON implements [json.Marshaler].
func (m Meta) MarshalJSON() ([]byte, error) { return m.AppendJSON(nil), nil }

func appendName(dst []byte, name string) []byte {
	dst = append(dst, `, "`...)
	dst = append(dst, name...)
	return append(dst, `": `...)
}

func appendText(dst []byte, name string, t Text) []byte {
	dst = appendName(dst, name)
	if !t.Valid {
		return append(dst, "null"...)
	}
	return appendString(dst, t.String)
}
