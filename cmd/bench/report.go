package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// backlog is what was measured of one workload through one socket. Figures are
// medians over the rounds.
type backlog struct {
	Workload        string  `json:"workload"`
	Socket          string  `json:"socket"`
	Rows            int     `json:"rows"`
	Documents       int     `json:"documents"`
	RowsPerSecond   float64 `json:"rows_per_s"`
	ReadPerSecond   float64 `json:"read_rows_per_s"`             // a plain reader
	GatherPerSecond float64 `json:"gather_rows_per_s,omitempty"` // one with a low-water mark
	RatioToRead     float64 `json:"ratio_to_read"`               // to the faster of the two
	ProducePerS     float64 `json:"produce_stubs_per_s"`         // the Kafka client
	RatioToProduce  float64 `json:"ratio_to_produce"`            // of documents to stubs
	CPU             float64 `json:"cpu_s_per_million_rows"`
	Allocations     float64 `json:"allocations_per_row"`
	PeakRSS         float64 `json:"peak_rss_mib"` // the highest of all rounds

	transactions int
}

func (m *backlog) fill(taken map[string][]outcome) {
	rows, docs := float64(m.Rows), float64(m.Documents)
	per := func(kind string, n float64) float64 {
		return median(taken[kind], func(o *outcome) float64 { return n / o.Elapsed.Seconds() })
	}
	published := taken[jobPublish]
	m.RowsPerSecond = round(per(jobPublish, rows), 1)
	m.ReadPerSecond = round(per(jobRead, rows), 1)
	m.GatherPerSecond = round(per(jobGather, rows), 1)
	m.ProducePerS = round(per(jobProduce, docs), 1)
	m.RatioToRead = round(m.RowsPerSecond/max(m.ReadPerSecond, m.GatherPerSecond), 1000)
	m.RatioToProduce = round(m.RowsPerSecond*docs/rows/m.ProducePerS, 1000)
	m.CPU = round(median(published, func(o *outcome) float64 { return o.CPU.Seconds() * 1e6 / rows }), 1000)
	m.Allocations = round(median(published, func(o *outcome) float64 { return float64(o.Allocations) / rows }), 1000)
	for i := range published {
		m.PeakRSS = max(m.PeakRSS, round(float64(published[i].PeakRSS)/(1<<20), 10))
	}
}

// delay is what was measured of latency. Figures are medians over the rounds.
type delay struct {
	Workload string  `json:"workload"`
	Socket   string  `json:"socket"`
	Rate     int     `json:"commits_per_s"`
	Made     float64 `json:"commits_per_s_made"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	RelayP50 float64 `json:"relay_p50_ms"` // of the bare loop
	RelayP99 float64 `json:"relay_p99_ms"`
	RatioP50 float64 `json:"ratio_p50"`
	RatioP99 float64 `json:"ratio_p99"`
}

func (m *delay) fill(taken map[string][]delays) {
	at := func(kind string, percent int) float64 {
		return round(median(taken[kind], func(d *delays) float64 { return milliseconds(d.at(percent)) }), 1000)
	}
	m.Made = round(median(taken[jobPublish], func(d *delays) float64 { return d.rate }), 1)
	m.P50, m.P99 = at(jobPublish, 50), at(jobPublish, 99)
	m.RelayP50, m.RelayP99 = at(jobRelay, 50), at(jobRelay, 99)
	m.RatioP50, m.RatioP99 = round(m.P50/m.RelayP50, 1000), round(m.P99/m.RelayP99, 1000)
}

// report is all that was measured.
type report struct {
	backlogs []*backlog
	delays   []*delay
}

func (r *report) printJSON(out *json.Encoder) error {
	for _, m := range r.backlogs {
		if err := out.Encode(m); err != nil {
			return err
		}
	}
	for _, m := range r.delays {
		if err := out.Encode(m); err != nil {
			return err
		}
	}
	return nil
}

// print writes tables of less than 100 columns.
func (r *report) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(r.backlogs) > 0 {
		fmt.Fprintln(table, "WORKLOAD\tSOCKET\tROWS/S\tREADER\tRATIO\tCLIENT\tRATIO\tCPU S/M\tALLOCS/ROW\tPEAK MIB")
	}
	for _, m := range r.backlogs {
		fmt.Fprintf(table, "%s\t%s\t%.0f\t%.0f\t%.2f\t%.0f\t%.2f\t%.2f\t%.3f\t%.1f\n", m.Workload, m.Socket, m.RowsPerSecond,
			max(m.ReadPerSecond, m.GatherPerSecond), m.RatioToRead, m.ProducePerS, m.RatioToProduce, m.CPU, m.Allocations, m.PeakRSS)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(r.delays) > 0 {
		if len(r.backlogs) > 0 {
			fmt.Fprintln(table)
		}
		fmt.Fprintln(table, "COMMITS/S\tSOCKET\tMADE/S\tP50 MS\tBARE LOOP\tRATIO\tP99 MS\tBARE LOOP\tRATIO")
	}
	for _, m := range r.delays {
		fmt.Fprintf(table, "%d\t%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\n", m.Rate, m.Socket, m.Made,
			m.P50, m.RelayP50, m.RatioP50, m.P99, m.RelayP99, m.RatioP99)
	}
	return table.Flush()
}

// median returns the middle of what value takes from each, or 0 of none.
func median[T any](all []T, value func(*T) float64) float64 {
	if len(all) == 0 {
		return 0
	}
	var values []float64
	for i := range all {
		values = append(values, value(&all[i]))
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}

// round keeps so many parts of one.
func round(value, parts float64) float64 { return math.Round(value*parts) / parts }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
