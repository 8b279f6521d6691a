package changefeed

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The record headers of a change. All are text. They are absent on records of
// publishers that have no such value.
const (
	HeaderPosition = "position" // Position.String
	HeaderVersion  = "version"  // decimal int64
	HeaderXID      = "xid"      // decimal uint64, epoch included
)

// ErrRecord is wrapped by the errors of ParseRecord.
var ErrRecord = errors.New("record is not a change")

// NewRecord returns the record of a change. It keeps no reference to c.
func NewRecord(c *Change) *kgo.Record {
	return newRecordSlab(1).add(c)
}

// ParseRecord returns the change in a record; it keeps no reference to r. A
// record without a version header, as other publishers write, has the
// microseconds of its publish_timestamp as version; one without that timestamp
// has the record's own.
func ParseRecord(r *kgo.Record) (Change, error) {
	c := Change{Topic: r.Topic}
	if r.Value == nil {
		return c, fmt.Errorf("read record %s: %w: the value is null", recordName(r), ErrRecord)
	}
	if err := c.Meta.UnmarshalJSON(r.Value); err != nil {
		return c, fmt.Errorf("read record %s: %w: %w", recordName(r), ErrRecord, err)
	}
	if c.Meta.PublishTimestamp.IsZero() {
		c.Meta.PublishTimestamp = r.Timestamp.UTC()
	}
	if c.Meta.OriginalPublication.IsZero() {
		c.Meta.OriginalPublication = c.Meta.PublishTimestamp
	}
	c.Version = ClockVersion(c.Meta.PublishTimestamp)
	for i := range r.Headers {
		if err := c.setHeader(&r.Headers[i]); err != nil {
			return c, fmt.Errorf("read record %s: %w: header %s: %w", recordName(r), ErrRecord, r.Headers[i].Key, err)
		}
	}
	return c, nil
}

func (c *Change) setHeader(h *kgo.RecordHeader) (err error) {
	switch h.Key {
	case HeaderPosition:
		c.Position, err = ParsePosition(string(h.Value))
	case HeaderVersion:
		var v int64
		v, err = strconv.ParseInt(string(h.Value), 10, 64)
		c.Version = Version(v)
	case HeaderXID:
		c.XID, err = strconv.ParseUint(string(h.Value), 10, 64)
	}
	return err
}

func recordName(r *kgo.Record) string {
	return fmt.Sprintf("%s/%d at offset %d", r.Topic, r.Partition, r.Offset)
}

// recordSlab builds the records of many changes in a few large allocations: the
// Kafka client keeps the records until they are acknowledged, so that they are
// not allocated one by one, and can be used again only all together.
type recordSlab struct {
	bytes   []byte
	headers []kgo.RecordHeader
	records []kgo.Record
	clock   clock
}

// bytesPerRecord is what a usual change takes: more only means a second
// allocation.
const bytesPerRecord = 640

func newRecordSlab(n int) *recordSlab {
	return &recordSlab{
		bytes:   make([]byte, 0, n*bytesPerRecord),
		headers: make([]kgo.RecordHeader, 0, 3*n),
		records: make([]kgo.Record, 0, n),
	}
}

// room tells how many more records the slab has been made for.
func (s *recordSlab) room() int {
	return min(cap(s.records)-len(s.records), (cap(s.bytes)-len(s.bytes))/bytesPerRecord)
}

// reset forgets the records, none of which may be in use any more.
func (s *recordSlab) reset() {
	s.bytes, s.headers, s.records = s.bytes[:0], s.headers[:0], s.records[:0]
}

// add returns the record of a change. The slab must have room for it. Its parts
// are cut from bytes, which stays in place: where it has to grow after all, the
// records before keep what they were cut from.
func (s *recordSlab) add(c *Change) *kgo.Record {
	s.records = append(s.records, kgo.Record{Topic: c.Topic})
	r := &s.records[len(s.records)-1]
	start := len(s.bytes)
	s.bytes = append(s.bytes, c.Meta.DocumentID...)
	key := len(s.bytes)
	s.bytes = c.Meta.appendJSON(s.bytes, &s.clock)
	value := len(s.bytes)
	if !c.Position.IsZero() {
		s.bytes, _ = c.Position.AppendText(s.bytes)
	}
	position := len(s.bytes)
	s.bytes = strconv.AppendInt(s.bytes, int64(c.Version), 10)
	version := len(s.bytes)
	if c.XID != 0 {
		s.bytes = strconv.AppendUint(s.bytes, c.XID, 10)
	}
	r.Key, r.Value = s.bytes[start:key:key], s.bytes[key:value:value]
	first := len(s.headers)
	s.header(HeaderPosition, value, position)
	s.header(HeaderVersion, position, version)
	s.header(HeaderXID, version, len(s.bytes))
	r.Headers = s.headers[first:len(s.headers):len(s.headers)]
	return r
}

// header adds a header whose value lies between two ends, unless it is empty.
func (s *recordSlab) header(name string, from, to int) {
	if from < to {
		s.headers = append(s.headers, kgo.RecordHeader{Key: name, Value: s.bytes[from:to:to]})
	}
}
