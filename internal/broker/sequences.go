package broker

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The file in which kfake keeps the sequence numbers of producers, in its format
// version 1. A test fails where kfake no longer reads what is written here.
const (
	sequencesFile    = "seq_windows.json"
	sequencesVersion = 1
)

// windowSize is how many batches of a producer a broker remembers in a
// partition: as many as a producer may have in flight.
const windowSize = 5

type sequences struct {
	Version int       `json:"version"`
	Windows []*window `json:"windows"`
}

// window is what a broker knows of one producer in one partition: its last
// batches, in a ring, and the number its next one begins with.
type window struct {
	Producer  int64                     `json:"pid"`
	Topic     string                    `json:"topic"`
	Partition int32                     `json:"partition"`
	Entries   [windowSize]windowedBatch `json:"entries"`
	Count     uint8                     `json:"count"`
	At        uint8                     `json:"at"` // of the ring, to be written next
	Epoch     int16                     `json:"epoch"`
	Seen      bool                      `json:"seen"`
	Next      int32                     `json:"next_seq"`
}

type windowedBatch struct {
	First  int32 `json:"first_seq"`
	Next   int32 `json:"next_seq"`
	Offset int64 `json:"offset"`
}

// restoreSequences replaces the sequence numbers in a data directory by those of
// the batches that are stored in it, and returns how many pairs of a producer
// and a partition there are. Without it, after the death of a broker, a batch
// whose acknowledgement got lost on the way would be stored a second time.
func restoreSequences(data string) (int, error) {
	folder := filepath.Join(data, "partitions")
	partitions, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil // nothing was ever stored
	case err != nil:
		return 0, fmt.Errorf("restore sequence numbers: %w", err)
	}
	found := sequences{Version: sequencesVersion, Windows: []*window{}}
	for _, p := range partitions {
		topic, number, ok := partitionOf(p.Name())
		if !ok || !p.IsDir() {
			continue
		}
		windows, err := readWindows(filepath.Join(folder, p.Name()))
		if err != nil {
			return 0, fmt.Errorf("restore sequence numbers of topic %s, partition %d: %w", topic, number, err)
		}
		for _, w := range windows {
			w.Topic, w.Partition = topic, number
			found.Windows = append(found.Windows, w)
		}
	}
	text, err := json.Marshal(found)
	if err == nil {
		err = replaceFile(filepath.Join(data, sequencesFile), text)
	}
	if err != nil {
		return 0, fmt.Errorf("restore sequence numbers: %w", err)
	}
	return len(found.Windows), nil
}

// partitionOf takes the name of a partition's folder apart: the topic, escaped,
// and the number.
func partitionOf(name string) (topic string, number int32, ok bool) {
	at := strings.LastIndexByte(name, '-')
	if at < 0 {
		return "", 0, false
	}
	n, errNumber := strconv.ParseInt(name[at+1:], 10, 32)
	topic, errTopic := url.PathUnescape(name[:at])
	return topic, int32(n), errNumber == nil && errTopic == nil
}

// readWindows returns the windows of the producers in a partition.
func readWindows(folder string) (map[int64]*window, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var segments []int64 // by the offset of their first record
	for _, f := range files {
		if base, ok := strings.CutSuffix(f.Name(), ".dat"); ok {
			if n, err := strconv.ParseInt(base, 10, 64); err == nil {
				segments = append(segments, n)
			}
		}
	}
	slices.Sort(segments)
	windows := make(map[int64]*window)
	for _, base := range segments {
		if err := readSegment(filepath.Join(folder, strconv.FormatInt(base, 10)+".dat"), windows); err != nil {
			return nil, err
		}
	}
	return windows, nil
}

// Where things stand in a record batch, in bytes from its start. Numbers are big
// endian. The checksum covers all from the attributes on.
const (
	batchLength     = 8 // int32, counted from here on, itself not included
	batchChecksum   = 17
	batchAttributes = 21
	batchLastDelta  = 23
	batchProducer   = 43
	batchEpoch      = 51
	batchSequence   = 53
	batchHeader     = 61

	lengthEnd    = batchLength + 4
	controlBatch = 1 << 5 // of the attributes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readSegment adds the batches of a file to the windows. It ends at the first
// that is not whole, as kfake does, which cuts the file off there.
func readSegment(path string, windows map[int64]*window) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 256<<10)
	checksum := crc32.New(castagnoli)
	for {
		header, err := r.Peek(batchHeader)
		if err != nil {
			return unlessEnd(err)
		}
		b := parseBatch(header)
		if b.size < batchHeader {
			return nil
		}
		checksum.Reset()
		if _, err := r.Discard(batchAttributes); err != nil {
			return unlessEnd(err)
		}
		if _, err := io.CopyN(checksum, r, b.size-batchAttributes); err != nil {
			return unlessEnd(err)
		}
		if checksum.Sum32() != b.checksum {
			return nil
		}
		b.enter(windows)
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
	size     int64 // in bytes
	checksum uint32
	control  bool // a marker of a transaction
	producer int64
	epoch    int16
	entry    windowedBatch
}

func parseBatch(header []byte) batch {
	big := binary.BigEndian
	b := batch{
		size:     lengthEnd + int64(int32(big.Uint32(header[batchLength:]))),
		checksum: big.Uint32(header[batchChecksum:]),
		control:  big.Uint16(header[batchAttributes:])&controlBatch != 0,
		producer: int64(big.Uint64(header[batchProducer:])),
		epoch:    int16(big.Uint16(header[batchEpoch:])),
	}
	first := int32(big.Uint32(header[batchSequence:]))
	records := int64(int32(big.Uint32(header[batchLastDelta:]))) + 1
	b.entry = windowedBatch{
		First:  first,
		Next:   int32((int64(first) + records) % math.MaxInt32),
		Offset: int64(big.Uint64(header)),
	}
	return b
}

// enter puts the batch into the window of its producer. A new epoch of the
// producer begins a new window.
func (b *batch) enter(windows map[int64]*window) {
	if b.producer < 0 || b.control {
		return
	}
	w := windows[b.producer]
	if w == nil || w.Epoch != b.epoch {
		w = &window{Producer: b.producer, Epoch: b.epoch, Seen: true}
		windows[b.producer] = w
	}
	w.Next = b.entry.Next
	w.Entries[w.At] = b.entry
	w.At = (w.At + 1) % windowSize
	w.Count = min(w.Count+1, windowSize)
}
