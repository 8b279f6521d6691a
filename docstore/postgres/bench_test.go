package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"changefeed/docstore"
)

// BenchmarkGetMany reads random rows of 2 kB by their integer keys, in a horizon
// of as many transactions as ids.
func BenchmarkGetMany(b *testing.B) {
	const rows = 20_000
	pool := openDatabase(b)
	execute(b, pool, `
		CREATE TABLE documents (id bigint PRIMARY KEY, kind text, tenant text, total numeric, at timestamptz, a text, b text, c text);
		ALTER TABLE documents ALTER a SET STORAGE PLAIN, ALTER b SET STORAGE PLAIN, ALTER c SET STORAGE PLAIN`)
	execute(b, pool, `
		INSERT INTO documents SELECT g, 'order', 'tenant-' || g % 10, g * 1.25, now(), r, r, r
		FROM generate_series(1, $1) g, LATERAL (SELECT left(string_agg(md5((g * 100 + i)::text), ''), 620) AS r FROM generate_series(1, 20) i) AS filler`, rows)
	execute(b, pool, `VACUUM ANALYZE documents`)
	store := newStore(b, pool)
	for _, n := range []int{1, 50, 500} {
		b.Run(fmt.Sprintf("ids=%d", n), func(b *testing.B) {
			marks := &docstore.Marks{Epoch: 1, LSN: 1}
			for i := range uint64(n) {
				marks.XIDs = append(marks.XIDs, 3+i%700)
			}
			at := docstore.Horizon{"main": marks}
			ids := make([]string, n)
			var size int64
			b.ReportAllocs()
			for b.Loop() {
				for i := range ids {
					ids[i] = fmt.Sprint(1 + rand.IntN(rows))
				}
				results, err := store.GetMany(b.Context(), at, ids)
				if err != nil {
					b.Fatal(err)
				}
				size = 0
				for i := range results {
					if results[i].Err != nil {
						b.Fatal(results[i].Err)
					}
					size += int64(len(results[i].Document.Body))
				}
			}
			b.SetBytes(size)
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "docs/s")
			b.ReportMetric(float64(size)/float64(n), "bytes/doc")
		})
	}
}
