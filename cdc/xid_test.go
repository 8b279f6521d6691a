package cdc

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestXIDsAreExtendedAcrossTheWraparound(t *testing.T) {
	const epoch = 1 << 32
	c := xidClock{}
	c.set(5*epoch + 10) // the server's next id: the log is behind it
	for _, step := range []struct {
		xid  uint32
		want uint64
	}{
		{1<<32 - 3, 5*epoch - 3}, // streamed from before the wraparound
		{3, 5*epoch + 3},
		{1<<32 - 1, 5*epoch - 1}, // committed late
		{1 << 30, 5*epoch + 1<<30},
		{1<<31 + 1<<29, 5*epoch + 1<<31 + 1<<29},
		{1<<32 - 1, 6*epoch - 1},
		{7, 6*epoch + 7},
	} {
		got, err := c.extend(t.Context(), step.xid)
		if err != nil || got != step.want {
			t.Fatalf("extend(%d) = %d, %v, want %d", step.xid, got, err, step.want)
		}
	}
}

func TestXIDsNearAReferenceAreRecovered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reference := rapid.Uint64Range(1<<31, 1<<62).Draw(t, "reference")
		xid := rapid.Uint64Range(reference-1<<31+1, reference+1<<31-1).Draw(t, "xid")
		c := xidClock{}
		c.set(reference)
		if got, err := c.extend(context.Background(), uint32(xid)); err != nil || got != xid {
			t.Fatalf("extend(%d) near %d = %d, %v", xid, reference, got, err)
		}
	})
}

func TestOldXIDReferenceIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		c := xidClock{read: func(context.Context) (uint64, error) {
			reads++
			return 9<<32 + 5, nil
		}}
		c.set(2<<32 + 5)
		time.Sleep(59 * time.Minute)
		if got, _ := c.extend(t.Context(), 6); got != 2<<32+6 {
			t.Fatalf("extend = %d within the hour", got)
		}
		time.Sleep(61 * time.Minute)
		if got, _ := c.extend(t.Context(), 4); got != 9<<32+4 || reads != 1 {
			t.Fatalf("extend = %d after %d reads", got, reads)
		}
	})
}
