package cdc_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"changefeed"
	"changefeed/cdc/cdctest"
	"changefeed/cdc/internal/pgoutput"
	"changefeed/cdc/internal/pgoutput/pgoutputtest"
)

// written is a transaction of the model's log: the documents that it inserts, in
// the order of their numbers.
type written struct {
	lsn, end uint64
	topics   []string
	ids      []string
}

func (w *written) messages() []pgoutput.Message {
	messages := []pgoutput.Message{begin(w.lsn), ordersRelation, itemsRelation}
	for i, id := range w.ids {
		relation := uint32(1)
		if w.topics[i] == itemsTopic {
			relation = 2
		}
		messages = append(messages, pgoutput.Message{Kind: pgoutput.KindInsert, Insert: pgoutput.Insert{RelationID: relation, New: pgoutputtest.Row(id)}})
	}
	return append(messages, commit(w.lsn, w.end))
}

// model is a log, a server that reads it out from its slot's position, and
// publishers that die at any moment.
type model struct {
	*rapid.T
	*resumed
	log  []written
	next uint64 // where the log goes on
	ids  int
}

// write commits some transactions, whose records may touch.
func (m *model) write() {
	for range rapid.IntRange(0, 5).Draw(m.T, "transactions") {
		w := written{lsn: m.next + rapid.SampledFrom([]uint64{0, 8, 200}).Draw(m.T, "gap")}
		w.end = w.lsn + 40
		m.next = w.end
		for range rapid.IntRange(0, 11).Draw(m.T, "documents") {
			m.ids++
			w.topics = append(w.topics, rapid.SampledFrom([]string{ordersTopic, itemsTopic}).Draw(m.T, "topic"))
			w.ids = append(w.ids, fmt.Sprint("doc", m.ids))
		}
		m.log = append(m.log, w)
	}
}

// send sends the log from the slot's position on, at most so many messages, and
// lets things happen to what is published meanwhile. It returns the stream when
// it is read.
func (m *model) send(most int) *cdctest.Stream {
	from := m.server.Confirmed()
	stream := m.stream()
	if m.server.Confirmed() != from {
		m.T.Fatalf("confirmed %X before anything was sent, was %X", m.server.Confirmed(), from)
	}
	m.server.SetLogEnd(m.next)
	for i := range m.log {
		if m.log[i].lsn < from {
			continue
		}
		for _, message := range m.log[i].messages() {
			if most--; most < 0 {
				return stream
			}
			stream.Send(m.TB, m.log[i].lsn, message)
		}
		m.happens(stream)
	}
	stream.Keepalive(m.TB, m.next, true)
	return stream
}

// happens lets the broker take some of what is on its way, and time pass.
func (m *model) happens(*cdctest.Stream) {
	sink := m.topics.Sink()
	switch rapid.IntRange(0, 5).Draw(m.T, "what happens") {
	case 0:
		synctest.Wait()
		sink.Arrive(m.some)
	case 1:
		synctest.Wait()
		sink.Acknowledge(rapid.IntRange(1, 4).Draw(m.T, "batches"))
	case 2:
		time.Sleep(time.Duration(rapid.IntRange(1, 1500).Draw(m.T, "milliseconds")) * time.Millisecond)
	case 3:
		synctest.Wait()
	}
}

// some is how much of what is on its way to a partition arrives.
func (m *model) some(string, int) int {
	return rapid.SampledFrom([]int{0, 1, 2, 5, 1000}).Draw(m.T, "records that arrive")
}

// dies ends a session: the process or only its connection or its sink, with a part
// of what was on its way arriving, at once or late, and the rest lost; and
// sometimes the server as well.
func (m *model) dies(stream *cdctest.Stream) {
	sink := m.topics.Sink()
	sink.Arrive(m.some)
	late := rapid.Bool().Draw(m.T, "the rest arrives late")
	switch rapid.SampledFrom([]string{"process", "connection", "sink"}).Draw(m.T, "what dies") {
	case "process":
		m.crash()
	case "connection":
		stream.Cut()
	case "sink":
		sink.Fail(fmt.Errorf("a record was refused"))
		<-stream.Ended()
	}
	synctest.Wait()
	if !late {
		sink.Lose()
	}
	if rapid.Bool().Draw(m.T, "the server crashes") {
		confirmed := m.server.Confirmed()
		back := rapid.IntRange(0, len(m.log)).Draw(m.T, "transactions back")
		for i := len(m.log) - 1; i >= 0 && back > 0; i-- {
			if m.log[i].end <= confirmed {
				confirmed, back = m.log[i].lsn, back-1
			}
		}
		m.server.SetConfirmed(confirmed)
	}
}

// confirms checks that all before the slot's position has arrived.
func (m *model) confirms() {
	arrived := make(map[changefeed.Position]bool)
	for _, c := range m.everything() {
		arrived[c.Position] = true
	}
	for i := range m.log {
		if m.log[i].end > m.server.Confirmed() {
			return
		}
		for n := range m.log[i].ids {
			p := changefeed.Position{Source: "main", Epoch: 1, LSN: m.log[i].lsn, Ordinal: uint64(n)}
			if !arrived[p] {
				m.T.Fatalf("confirmed %X, and %v has not arrived\n%s", m.server.Confirmed(), p, m.resumed.log)
			}
		}
	}
}

// holdsEachOnce checks that the topics hold every change once, in order within
// each partition.
func (m *model) holdsEachOnce() {
	want := make(map[changefeed.Position]string)
	for i := range m.log {
		for n, id := range m.log[i].ids {
			want[changefeed.Position{Source: "main", Epoch: 1, LSN: m.log[i].lsn, Ordinal: uint64(n)}] = m.log[i].topics[n] + " " + id
		}
	}
	for _, topic := range []string{ordersTopic, itemsTopic} {
		for _, partition := range m.topics.Partitions(topic) {
			var last changefeed.Position
			for _, c := range partition {
				if c.Position.Compare(last) <= 0 {
					m.T.Errorf("%v comes after %v in a partition of %s", c.Position, last, topic)
				}
				if is := topic + " " + c.Meta.DocumentID; want[c.Position] != is {
					m.T.Errorf("%v is %s, want %q once", c.Position, is, want[c.Position])
				}
				delete(want, c.Position)
				last = c.Position
			}
		}
	}
	for p, id := range want {
		m.T.Errorf("%v, %s, is lost", p, id)
	}
	if m.T.Failed() {
		m.T.Fatalf("%s", m.resumed.log)
	}
}

// bubbled hides that a test runs in a bubble, where its deadline may not be asked
// for.
type bubbled struct{ testing.TB }

// Whatever dies and when, whatever of what was on its way arrives, and however far
// the slot and the checkpoint lag behind: every change arrives once, in order.
func TestEveryChangeArrivesOnceWhateverDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(rt *rapid.T) {
			m := &model{T: rt, resumed: newResumed(t), next: 0x100}
			defer m.end()
			for range rapid.IntRange(1, 6).Draw(rt, "sessions") {
				m.topics.Hold(rapid.Bool().Draw(rt, "the broker is slow"))
				m.write()
				stream := m.send(rapid.IntRange(0, 60).Draw(rt, "messages"))
				synctest.Wait()
				m.dies(stream)
				m.confirms()
			}
			m.topics.Hold(false)
			m.write()
			stream := m.send(1 << 30)
			stream.WaitFlushed(t, m.next)
			m.drain()
			m.holdsEachOnce()
		})
	})
}
