package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// relay receives rows and produces a stub for each, until it is asked to end. It
// keeps no transaction, no position and no order of acknowledgements: it is what
// latency cannot be less than.
func (w *worker) relay(ctx context.Context) error {
	client, err := w.producer(kgo.ProducerLinger(300 * time.Microsecond)) // without it, each record would be a request
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("reach broker: %w", err)
	}
	r, err := w.replicate(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	if err := w.streams(); err != nil {
		return err
	}
	times := new(stopwatch)
	value := stub(0, w.Source).Value
	acknowledged := func(r *kgo.Record, err error) { times.OnProduceRecordUnbuffered(r, err) }
	told := time.Now()
	for {
		message, err := r.next()
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		if message[0] == 'I' {
			id, err := insertedID(message)
			if err != nil {
				return err
			}
			client.Produce(ctx, &kgo.Record{Topic: topic, Key: id, Value: value}, acknowledged)
		}
		if now := time.Now(); now.Sub(told) > time.Second {
			told = now
			if err := r.status(); err != nil {
				return err
			}
		}
	}
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := client.Flush(flush); err != nil {
		return fmt.Errorf("produce stubs: %w", err)
	}
	return w.done(times.taken())
}

var errInsert = errors.New("insert message of an unexpected form")

// insertedID copies the first column of an insert.
func insertedID(message []byte) ([]byte, error) {
	const before = 1 + 4 + 1 + 2 + 1 // tags, relation, columns
	if len(message) < before+4 || message[before-1] != 't' {
		return nil, errInsert
	}
	length := int(binary.BigEndian.Uint32(message[before:]))
	value := message[before+4:]
	if length > len(value) {
		return nil, errInsert
	}
	return append([]byte(nil), value[:length]...), nil
}
