package table_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"changefeed"
	"changefeed/docstore"
	"changefeed/internal/localpg"
	"changefeed/internal/localpg/localpgtest"
	"changefeed/pillows"
	"changefeed/pillows/table"
)

// wide is a report of ten columns beside the id.
func wide() table.Config {
	return report(
		table.Column{Name: "total", Path: "total", Type: "numeric(12,2)"},
		table.Column{Name: "customer", Path: "customer.name", Type: "text"},
		table.Column{Name: "paid", Path: "paid", Type: "boolean"},
		table.Column{Name: "number", Path: "number", Type: "bigint"},
		table.Column{Name: "due", Path: "due", Type: "date"},
		table.Column{Name: "placed_at", Path: "placed_at", Type: "timestamptz"},
		table.Column{Name: "lines", Path: "lines", Type: "jsonb"},
		table.Column{Name: "weight", Path: "weight", Type: "double precision"},
		table.Column{Name: "priority", Path: "priority", Type: "integer"},
		table.Column{Name: "note", Path: "note", Type: "text"},
	)
}

func wideBody(n int) string {
	return fmt.Sprintf(`{"total": %d.50, "customer": {"name": "Customer %d", "city": "Zürich"}, "paid": %t, "number": %d, "due": "2026-03-%02d", `+
		`"placed_at": "2026-01-02T03:04:05.%06d+00:00", "lines": [{"sku": "a-%d", "count": 2}, {"sku": "b", "count": 1}], "weight": %d.25, `+
		`"priority": %d, "note": "please ring the bell twice", "currency": "CHF", "state": "open", "channel": "web"}`,
		n%1000, n, n%2 == 0, n, 1+n%28, n%1000000, n, n%100, n%5)
}

// population is the number of documents in the benchmarks' tables.
const population = 50_000

// newChunks returns chunks of changes of different documents, chosen at random.
func newChunks(size int) [][]pillows.Item {
	chunks := make([][]pillows.Item, 32)
	for c := range chunks {
		for _, n := range rand.Perm(population)[:size] {
			chunks[c] = append(chunks[c], save(fmt.Sprintf("order-%08d", n), 1, wideBody(n+c)))
		}
	}
	return chunks
}

func benchmarkPool(b *testing.B) *pgxpool.Pool {
	b.Helper()
	server := localpgtest.New(b, localpg.Config{Fsync: true})
	return openPool(b, server.DSN(localpgtest.DatabaseOn(b, server)))
}

func reportRows(b *testing.B, rowsPerOp int) {
	b.Helper()
	b.ReportMetric(float64(rowsPerOp*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkProcess updates rows that are there, in chunks. BenchmarkCopy is its
// floor, BenchmarkRefuse the cost of changes that are repeated.
func BenchmarkProcess(b *testing.B) {
	for _, size := range []int{docstore.MaxBatch, 20, 1} {
		b.Run(fmt.Sprint("chunk=", size), func(b *testing.B) {
			p := newProcessor(b, benchmarkPool(b), wide())
			for first := 0; first < population; first += docstore.MaxBatch {
				var items []pillows.Item
				for n := first; n < first+docstore.MaxBatch; n++ {
					items = append(items, save(fmt.Sprintf("order-%08d", n), 1, wideBody(n)))
				}
				process(b, p, items...)
			}
			chunks := newChunks(size)
			b.ReportAllocs()
			version := changefeed.Version(1)
			for b.Loop() {
				version++
				items := chunks[int(version)%len(chunks)]
				for i := range items {
					items[i].Change.Version = version
				}
				process(b, p, items...)
			}
			reportRows(b, size)
		})
	}
}

func BenchmarkRefuse(b *testing.B) {
	p := newProcessor(b, benchmarkPool(b), wide())
	items := newChunks(docstore.MaxBatch)[0]
	process(b, p, items...)
	for b.Loop() {
		process(b, p, items...)
	}
	reportRows(b, len(items))
}

// BenchmarkCopy is the floor: the same values, converted beforehand, by a bare
// COPY into a table that only grows.
func BenchmarkCopy(b *testing.B) {
	pool := benchmarkPool(b)
	if err := newProcessor(b, pool, wide()).Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	execute(b, pool, "CREATE TABLE floor (LIKE report)")
	conn, err := pool.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Release()
	var lines strings.Builder
	for n := range docstore.MaxBatch {
		fmt.Fprintf(&lines, "order-%08d\t%d.50\tCustomer %d\t%t\t%d\t2026-03-%02d\t2026-01-02T03:04:05.%06d+00:00\t"+
			`[{"sku": "a-%d", "count": 2}, {"sku": "b", "count": 1}]`+"\t%d.25\t%d\tplease ring the bell twice\t1\n",
			n, n, n, n%2 == 0, n, 1+n%28, n, n, n%100, n%5)
	}
	text := []byte(lines.String())
	for b.Loop() {
		if _, err := conn.Conn().PgConn().CopyFrom(b.Context(), bytes.NewReader(text), "COPY floor FROM STDIN"); err != nil {
			b.Fatal(err)
		}
	}
	reportRows(b, docstore.MaxBatch)
}
