package broker

import (
	"encoding/json"
	"path/filepath"
	"time"
)

// The file in which kfake keeps what it knows of a partition, in its format
// version 1. kfake goes by it where it lists exactly the segments that are there,
// in their sizes, and then takes one segment at a time into memory. It passes
// over any other, and then takes all segments into memory together.
const (
	snapshotFile    = "snapshot.json"
	snapshotVersion = 1
)

// snapshot is of a partition that has no transactions: all that is stored in it
// is stable.
type snapshot struct {
	Version       int               `json:"version"`
	HighWatermark int64             `json:"high_watermark"`
	Stable        int64             `json:"last_stable_offset"`
	Start         int64             `json:"log_start_offset"`
	Epoch         int32             `json:"epoch"` // of the leader
	Created       time.Time         `json:"created_at"`
	Segments      []snapshotSegment `json:"segments"`
}

type snapshotSegment struct {
	Base int64 `json:"base_offset"`
	Size int64 `json:"size"` // in bytes
}

// add takes in the next batch of the partition.
func (s *snapshot) add(b batch) {
	if s.HighWatermark == 0 { // the first
		s.Start, s.Created = b.entry.Offset, b.written
	}
	s.HighWatermark, s.Stable, s.Epoch = b.end, b.end, b.leader
}

// write replaces the snapshot in a partition's folder.
func (s *snapshot) write(folder string) error {
	s.Version = snapshotVersion
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(folder, snapshotFile), text)
}
