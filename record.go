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
	var slab recordSlab
	slab.grow(1)
	slab.add(c)
	return &slab.finish()[0]
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

// recordSlab builds the records of many changes in a few large allocations:
// the Kafka client keeps the records until they are acknowledged, so they can
// not be reused, but they need not be allocated one by one either.
type recordSlab struct {
	bytes   []byte
	headers []kgo.RecordHeader
	records []kgo.Record
	ends    []recordEnds
}

// recordEnds are the ends in recordSlab.bytes of one record's parts. Slices are
// cut only when all bytes are there, because the buffer moves while it grows.
type recordEnds struct{ key, value, position, version, xid int }

// bytesPerRecord is what a usual change takes: more only means a second
// allocation.
const bytesPerRecord = 640

func (s *recordSlab) grow(n int) {
	s.bytes = make([]byte, 0, n*bytesPerRecord)
	s.headers = make([]kgo.RecordHeader, 0, 3*n)
	s.records = make([]kgo.Record, 0, n)
	s.ends = make([]recordEnds, 0, n)
}

func (s *recordSlab) add(c *Change) {
	var e recordEnds
	s.bytes = append(s.bytes, c.Meta.DocumentID...)
	e.key = len(s.bytes)
	s.bytes = c.Meta.AppendJSON(s.bytes)
	e.value = len(s.bytes)
	if !c.Position.IsZero() {
		s.bytes, _ = c.Position.AppendText(s.bytes)
	}
	e.position = len(s.bytes)
	s.bytes = strconv.AppendInt(s.bytes, int64(c.Version), 10)
	e.version = len(s.bytes)
	if c.XID != 0 {
		s.bytes = strconv.AppendUint(s.bytes, c.XID, 10)
	}
	e.xid = len(s.bytes)
	s.records = append(s.records, kgo.Record{Topic: c.Topic})
	s.ends = append(s.ends, e)
}

func (s *recordSlab) finish() []kgo.Record {
	start := 0
	cut := func(end int) []byte {
		part := s.bytes[start:end:end]
		start = end
		return part
	}
	for i, e := range s.ends {
		r := &s.records[i]
		r.Key, r.Value = cut(e.key), cut(e.value)
		first := len(s.headers)
		for _, h := range [...]struct {
			name string
			end  int
		}{{HeaderPosition, e.position}, {HeaderVersion, e.version}, {HeaderXID, e.xid}} {
			if value := cut(h.end); len(value) > 0 {
				s.headers = append(s.headers, kgo.RecordHeader{Key: h.name, Value: value})
			}
		}
		r.Headers = s.headers[first:len(s.headers):len(s.headers)]
	}
	return s.records
}
