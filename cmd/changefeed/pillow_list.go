package main

import (
	"errors"
	"strconv"
	"time"

	"changefeed/pillows"
)

type pillowListCommand struct{}

// Run prints a line for each partition of each pillow. It reads nothing but
// Kafka, so that it tells of pillows in any process.
func (*pillowListCommand) Run(a *app) error {
	s, err := a.connected()
	if err != nil {
		return err
	}
	defer s.Close()
	client, err := s.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var rows []pillows.PartitionStatus
	var faults []error
	for i := range s.Config.Pillows {
		list, err := pillows.List(a.ctx, client, s.PillowConfig(i))
		rows, faults = append(rows, list...), append(faults, err)
	}
	heads := []string{
		"pillow", "topic", "partition", "owner", "next_offset", "end_offset", "lag", "lag_s",
		"applied", "superseded", "filtered", "parked", "state",
	}
	return errors.Join(printRows(a, heads, rows, pillowCells), errors.Join(faults...))
}

func pillowCells(p pillows.PartitionStatus) []string {
	state := string(p.State)
	if p.Since != nil {
		state += " since " + p.Since.Format(time.RFC3339)
	}
	if p.Reason != "" {
		state += ": " + p.Reason
	}
	return []string{
		p.Pillow, p.Topic, strconv.Itoa(int(p.Partition)), dash(p.Owner), number(p.NextOffset), number(p.EndOffset), number(p.Lag), seconds(p.LagSeconds),
		number(p.Applied), number(p.Superseded), number(p.Filtered), number(p.Parked), state,
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func seconds(s *float64) string {
	if s == nil {
		return "-"
	}
	return strconv.FormatFloat(*s, 'f', 1, 64)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
