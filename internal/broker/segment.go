package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"os"
	"time"
)

// Where things stand in a record batch, in bytes from its start. Numbers are big
// endian. The checksum covers all from the attributes on.
const (
	batchLength        = 8  // int32, counted from here on, itself not included
	batchEpochOfLeader = 12 // int32
	batchChecksum      = 17
	batchAttributes    = 21
	batchLastDelta     = 23
	batchTimestamp     = 27 // of its first record, in ms of Unix time
	batchProducer      = 43
	batchEpoch         = 51
	batchSequence      = 53
	batchHeader        = 61

	lengthEnd          = batchLength + 4
	transactionalBatch = 1 << 4 // of the attributes
	controlBatch       = 1 << 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readSegment hands the batches of a file to each, in their order, and returns
// how many bytes they take. It ends at the first that is not whole. It holds one
// buffer, however large the file and its batches are.
func readSegment(path string, each func(batch)) (whole int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 256<<10)
	checksum := crc32.New(castagnoli)
	for {
		header, err := r.Peek(batchHeader)
		if err != nil {
			return whole, unlessEnd(err)
		}
		b := parseBatch(header)
		if b.size < batchHeader {
			return whole, nil
		}
		checksum.Reset()
		if _, err := r.Discard(batchAttributes); err != nil {
			return whole, unlessEnd(err)
		}
		if _, err := io.CopyN(checksum, r, b.size-batchAttributes); err != nil {
			return whole, unlessEnd(err)
		}
		if checksum.Sum32() != b.checksum {
			return whole, nil
		}
		whole += b.size
		each(b)
	}
}

func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// batch is what the header of a record batch says.
type batch struct {
	size          int64 // in bytes
	checksum      uint32
	leader        int32 // the epoch of the partition's leader
	transactional bool
	control       bool      // a marker of a transaction
	written       time.Time // the timestamp of its first record
	producer      int64
	epoch         int16
	entry         windowedBatch
	end           int64 // the offset after its last record
}

func parseBatch(header []byte) batch {
	big := binary.BigEndian
	attributes := big.Uint16(header[batchAttributes:])
	b := batch{
		size:          lengthEnd + int64(int32(big.Uint32(header[batchLength:]))),
		checksum:      big.Uint32(header[batchChecksum:]),
		leader:        int32(big.Uint32(header[batchEpochOfLeader:])),
		transactional: attributes&transactionalBatch != 0,
		control:       attributes&controlBatch != 0,
		written:       time.UnixMilli(int64(big.Uint64(header[batchTimestamp:]))),
		producer:      int64(big.Uint64(header[batchProducer:])),
		epoch:         int16(big.Uint16(header[batchEpoch:])),
	}
	first := int32(big.Uint32(header[batchSequence:]))
	records := int64(int32(big.Uint32(header[batchLastDelta:]))) + 1
	b.entry = windowedBatch{
		First:  first,
		Next:   int32((int64(first) + records) % math.MaxInt32),
		Offset: int64(big.Uint64(header)),
	}
	b.end = b.entry.Offset + records
	return b
}
