package broker

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
