package pillows

import (
	"context"
	"errors"
	"fmt"

	"changefeed"
)

// process gives a processor what is ready and open for it, and enters the
// verdicts.
func (w *worker) process(ctx context.Context, c *chunk, processor int) trouble {
	items, which := c.batch(processor)
	if len(items) == 0 {
		return trouble{}
	}
	p, b := w.pillow.processors[processor], NewBatch(items)
	failed, err := failures(p.Process(ctx, b), len(items))
	if err != nil {
		return trouble{err: err, processor: p.Name(), change: c.newest[which[0]]}
	}
	var t trouble
	verdicts := c.ledger.of(processor)
	for k, i := range which {
		if itemErr := failed[k]; itemErr != nil {
			t.worse(trouble{err: itemErr, processor: p.Name(), change: c.newest[i]})
			c.failed = append(c.failed, i)
			continue
		}
		v := b.Verdict(k)
		if v == Open {
			v = Applied
		}
		verdicts[c.newest[i]] = v
	}
	return t
}

// failures takes apart what Process returned for a batch of n items: the errors
// of single items, by index, and the error of the whole.
func failures(err error, n int) (map[int]error, error) {
	var batch *BatchError
	if err == nil || !errors.As(err, &batch) {
		return nil, err
	}
	failed := make(map[int]error, len(batch.Failed))
	for _, f := range batch.Failed {
		if f.Index < 0 || f.Index >= n {
			return nil, fmt.Errorf("the processor says that item %d of %d failed: %w", f.Index, n, err)
		}
		failed[f.Index] = f.Err
		if f.Err == nil {
			failed[f.Index] = errors.New("the processor gave no reason")
		}
	}
	return failed, nil
}

// observe tells the verdicts that a processor has reached since the last time,
// also those on changes it was not given.
func (w *worker) observe(c *chunk, processor int) {
	if w.pillow.observe == nil {
		return
	}
	changes := c.ledger.untold(processor)
	if len(changes) == 0 {
		return
	}
	o := Observation{
		Pillow:    w.pillow.config.Name,
		Processor: w.pillow.processors[processor].Name(),
		Partition: w.partition.number,
		Changes:   c.changes,
		Verdicts:  c.ledger.of(processor),
	}
	if len(changes) < len(c.changes) {
		o.Changes, o.Verdicts = make([]changefeed.Change, len(changes)), make([]Verdict, len(changes))
		for k, i := range changes {
			o.Changes[k], o.Verdicts[k] = c.changes[i], c.ledger.of(processor)[i]
		}
	}
	w.pillow.observe(o)
}
