package cdc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pglogrepl"

	"changefeed"
)

// origin is the log that a session reads, as its server described it while the
// session held the slot.
type origin struct {
	system     string
	timeline   int32
	ancestors  []timelineEnd // of the timeline
	historyErr error         // why the ancestors are not known
	start      uint64        // the slot's confirmed position: where the stream begins
	end        uint64        // of the log
}

// resumption is how a session goes on from what was before it.
type resumption struct {
	// newEpoch says why the positions of the session have to begin a new epoch,
	// above all others seen. Empty: the saved one goes on.
	newEpoch string
	above    uint32
	// lost: it is because what was saved is gone or out of date, or the log is.
	// Else the source is new.
	lost bool
	// again lists what has changed of what positions depend on, so that only
	// whole transactions can be passed over. Empty: nothing has.
	again []string
	// begin is the checkpoint of the session before anything is published. Where
	// the epoch is new it has none yet.
	begin Checkpoint
	// top is the highest position that was read back: until everything up to it
	// is acknowledged, the offsets of begin have to stay.
	top    place
	replay *replay
}

// decide says how to go on. From saved to the topics' tail, everything that a
// session published is known; whether the log is still the one it was published
// from is judged by the server's identity, by its timeline, and by the end of the
// log. What these do not tell, the replay finds out. Where any of it is in doubt
// the epoch is new: then changes can come twice, but none is passed over, and
// none is labelled as older than it is.
func decide(saved *Checkpoint, o *origin, t *tail, layout string, topics []string, otherLog string) resumption {
	fresh := Checkpoint{System: o.system, Timeline: o.timeline, Offsets: t.ends, Layout: layout}
	above, lost := t.epoch, t.epoch > 0
	if saved != nil {
		above, lost = max(above, saved.Epoch), true
	}
	if reason := newEpoch(saved, o, t, otherLog); reason != "" {
		return resumption{newEpoch: reason, above: above, lost: lost, begin: fresh, replay: newReplay(0, place{}, nil)}
	}
	p := resumption{begin: fresh}
	p.begin.Epoch = saved.Epoch
	p.begin.LSN = saved.LSN
	p.again = layoutChanges(saved.Layout, layout)
	p.again = append(p.again, partitionChanges(topics, saved.Offsets, t.ends)...)
	if len(p.again) > 0 {
		p.replay = newReplay(p.begin.LSN, place{}, nil)
		return p
	}
	p.begin.Offsets = saved.Offsets
	p.begin.Acknowledged = saved.Acknowledged
	p.top = t.highest
	p.replay = newReplay(p.begin.LSN, placeOf(saved.Acknowledged), expectedFrom(o.start, placeOf(saved.Acknowledged), t.places))
	return p
}

// expectedFrom returns the places that a stream that begins at start has to meet.
func expectedFrom(start uint64, acknowledged place, tail []place) []place {
	expected := slices.DeleteFunc(tail, func(p place) bool { return p.lsn < start })
	if !acknowledged.isZero() && acknowledged.lsn >= start {
		expected = append(expected, acknowledged)
	}
	return expected
}

// newEpoch returns why positions have to begin a new epoch, or nothing where the
// saved one goes on.
func newEpoch(saved *Checkpoint, o *origin, t *tail, otherLog string) string {
	switch {
	case saved == nil && t.epoch == 0:
		return "the source has not been published before"
	case saved == nil:
		return "the topics hold changes of the source, but no checkpoint of it is saved"
	case otherLog != "":
		return otherLog
	case saved.System != o.system:
		return fmt.Sprintf("the database is another one: its system identifier is %s, and was %s", o.system, saved.System)
	case t.epoch > saved.Epoch:
		return fmt.Sprintf("the saved checkpoint is out of date: it is of epoch %d, and the topics hold epoch %d", saved.Epoch, t.epoch)
	case t.tooLong:
		return fmt.Sprintf("the saved checkpoint is out of date: more than %d changes follow it in the topics", maxTail)
	}
	highest := later(t.highest, placeOf(saved.Acknowledged))
	if reason := otherTimeline(saved, highest.lsn, o); reason != "" {
		return reason
	}
	if highest.lsn >= o.end && !highest.isZero() || saved.LSN > o.end {
		return fmt.Sprintf("the log has gone back: it ends at %s, and changes up to %s were published",
			pglogrepl.LSN(o.end), pglogrepl.LSN(max(highest.lsn, saved.LSN)))
	}
	return ""
}

// otherTimeline returns why a log of another timeline is not the one that was
// published from, or nothing where it goes on from there without loss.
func otherTimeline(saved *Checkpoint, highest uint64, o *origin) string {
	if saved.Timeline == o.timeline {
		return ""
	}
	if o.historyErr != nil {
		return fmt.Sprintf("the history of timeline %d cannot be read: %v", o.timeline, o.historyErr)
	}
	for _, ancestor := range o.ancestors {
		switch {
		case ancestor.timeline != saved.Timeline:
		case highest >= ancestor.lsn || saved.LSN > ancestor.lsn:
			return fmt.Sprintf("the log has gone back: timeline %d left timeline %d at %s, and changes up to %s were published",
				o.timeline, saved.Timeline, pglogrepl.LSN(ancestor.lsn), pglogrepl.LSN(max(highest, saved.LSN)))
		default:
			return ""
		}
	}
	return fmt.Sprintf("the log is of timeline %d, which does not descend from timeline %d", o.timeline, saved.Timeline)
}

// maxTail bounds the places that are kept of a tail, to 64 MiB. A publisher waits
// for its state long before as many changes follow its checkpoint.
const maxTail = 4 << 20

// tail is what the topics hold of a source beyond its checkpoint.
type tail struct {
	epoch   uint32 // the highest
	highest place  // of the saved epoch
	places  []place
	tooLong bool
	ends    changefeed.Offsets
}

// add takes one position that was read back.
func (t *tail) add(p changefeed.Position, saved *Checkpoint) {
	t.epoch = max(t.epoch, p.Epoch)
	if saved == nil || p.Epoch != saved.Epoch {
		return
	}
	at := placeOf(p)
	t.highest = later(t.highest, at)
	switch {
	case at.compare(placeOf(saved.Acknowledged)) <= 0:
	case len(t.places) == maxTail:
		t.tooLong = true
	default:
		t.places = append(t.places, at)
	}
}

// describe says for a log line what positions depend on and has changed.
func (p *resumption) describe() string { return strings.Join(p.again, ", ") }
