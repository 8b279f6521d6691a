package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// restoreData puts into a data directory what kfake writes on a clean stop
// alone, going by the batches that are stored in it: the sequence numbers of
// producers, and a snapshot of each partition. It returns how many pairs of a
// producer and a partition there are. Without the numbers, a batch whose
// acknowledgement got lost in the death of the broker would be stored a second
// time; without the snapshots, kfake would hold all records in memory at once
// when it starts.
func restoreData(data string) (int, error) {
	found := sequences{Version: sequencesVersion, Windows: []*window{}}
	err := eachPartition(data, func(topic string, number int32, folder string) error {
		windows, err := restorePartition(folder)
		for _, w := range windows {
			w.Topic, w.Partition = topic, number
			found.Windows = append(found.Windows, w)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("restore partitions: %w", err)
	}
	text, err := json.Marshal(found)
	if err == nil {
		err = os.MkdirAll(data, 0o700)
	}
	if err == nil {
		err = replaceFile(filepath.Join(data, sequencesFile), text)
	}
	if err != nil {
		return 0, fmt.Errorf("restore sequence numbers: %w", err)
	}
	return len(found.Windows), nil
}

// eachPartition calls do for the folder of every partition that has one.
func eachPartition(data string, do func(topic string, number int32, folder string) error) error {
	parent := filepath.Join(data, "partitions")
	folders, err := os.ReadDir(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // nothing was ever stored
	case err != nil:
		return err
	}
	for _, f := range folders {
		topic, number, ok := partitionOf(f.Name())
		if !ok || !f.IsDir() {
			continue
		}
		if err := do(topic, number, filepath.Join(parent, f.Name())); err != nil {
			return fmt.Errorf("topic %s, partition %d: %w", topic, number, err)
		}
	}
	return nil
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

// restorePartition reads a partition's folder, writes its snapshot, and returns
// the windows of its producers.
func restorePartition(folder string) (map[int64]*window, error) {
	bases, err := segmentsIn(folder)
	if err != nil {
		return nil, err
	}
	windows := make(map[int64]*window)
	var s snapshot
	exact := true // the snapshot says all there is to say
	for i, base := range bases {
		path := segmentPath(folder, base)
		whole, err := readSegment(path, func(b batch) {
			b.enter(windows)
			s.add(b)
			exact = exact && !b.transactional
		})
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if whole < info.Size() {
			if i < len(bases)-1 {
				exact = false // no death leaves that: kfake's to judge
			} else if err := os.Truncate(path, whole); err != nil {
				return nil, err
			}
		}
		if whole > 0 {
			s.Segments = append(s.Segments, snapshotSegment{Base: base, Size: whole})
		}
	}
	if !exact || s.HighWatermark == 0 {
		return windows, nil
	}
	return windows, s.write(folder)
}

// segmentSuffix ends the name of a segment, a file of record batches. The offset
// of the first one begins it.
const segmentSuffix = ".dat"

// segmentsIn returns the segments in a partition's folder by the offsets of their
// first records, in ascending order.
func segmentsIn(folder string) ([]int64, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var bases []int64
	for _, f := range files {
		if base, ok := strings.CutSuffix(f.Name(), segmentSuffix); ok {
			if n, err := strconv.ParseInt(base, 10, 64); err == nil {
				bases = append(bases, n)
			}
		}
	}
	slices.Sort(bases)
	return bases, nil
}

func segmentPath(folder string, base int64) string {
	return filepath.Join(folder, strconv.FormatInt(base, 10)+segmentSuffix)
}
