package broker

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// expire deletes the records that have outlived the retention of their topics.
// kfake itself does so only for topics with a retention of their own. Where it
// deletes the last record of a partition it deletes the last file, and with it
// where the offsets had got to; an empty file of that name keeps it for
// [keepEnds].
func (b *Broker) expire(ctx context.Context, cluster *kfake.Cluster, client *kgo.Client) {
	cluster.ApplyRetention()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx)
	if err == nil {
		err = ends.Error()
	}
	if err == nil {
		err = eachPartition(filepath.Join(b.cfg.Dir, dataFolder), func(topic string, number int32, folder string) error {
			end, ok := ends.Lookup(topic, number)
			if !ok || end.Offset == 0 {
				return nil
			}
			bases, err := segmentsIn(folder)
			if err == nil && len(bases) == 0 {
				err = makeSegment(folder, end.Offset)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil // the topic has just been deleted
			}
			return err
		})
	}
	if err != nil && ctx.Err() == nil {
		b.cfg.Log.WarnContext(ctx, "embedded broker: note where topics without records end", slog.Any("error", err))
	}
}

// keepEnds has every partition without records go on where it ended. kfake would
// begin anew at offset 0, before the offsets that groups have committed. It is
// for a broker that does not run.
func keepEnds(data string) error {
	return eachPartition(data, func(_ string, _ int32, folder string) error { return keepEnd(folder) })
}

func keepEnd(folder string) error {
	bases, err := segmentsIn(folder)
	if err != nil {
		return err
	}
	var empty []int64
	for _, base := range bases {
		info, err := os.Stat(segmentPath(folder, base))
		if err != nil {
			return err
		}
		if info.Size() == 0 {
			empty = append(empty, base)
		}
	}
	if len(empty) < len(bases) { // there are records: empty files only make kfake distrust the snapshot
		return removeSegments(folder, empty)
	}
	s, err := readSnapshot(folder)
	if err != nil {
		return err
	}
	end := s.HighWatermark
	for _, base := range empty {
		end = max(end, base)
	}
	if end == 0 {
		return nil
	}
	s.HighWatermark, s.Stable, s.Start = end, end, end
	s.Segments = []snapshotSegment{{Base: end}}
	if err := errors.Join(removeSegments(folder, empty), makeSegment(folder, end)); err != nil {
		return err
	}
	return s.write(folder)
}

// makeSegment makes an empty segment. kfake appends to it.
func makeSegment(folder string, base int64) error {
	f, err := os.OpenFile(segmentPath(folder, base), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// removeSegments removes segments and what kfake keeps beside them.
func removeSegments(folder string, bases []int64) error {
	var errs []error
	for _, base := range bases {
		path := segmentPath(folder, base)
		errs = append(errs, os.Remove(path))
		if err := os.Remove(strings.TrimSuffix(path, segmentSuffix) + ".idx"); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// readSnapshot returns an empty snapshot where there is none.
func readSnapshot(folder string) (snapshot, error) {
	var s snapshot
	text, err := os.ReadFile(filepath.Join(folder, snapshotFile))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return s, err
}
