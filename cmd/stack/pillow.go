package stack

import (
	"fmt"

	"changefeed/cmd/config"
	"changefeed/pillows"
	"changefeed/pillows/table"
)

// PillowConfig returns the runtime's configuration of pillow i.
func (s *Stack) PillowConfig(i int) pillows.Config {
	p := &s.Config.Pillows[i]
	return pillows.Config{
		Name: p.Name, Topics: p.Topics, Group: s.Config.GroupPrefix() + p.Name,
		DrainTimeout: s.Config.Drain(),
	}.WithDefaults()
}

// Pillow returns pillow i with its processors. The brokers must have been found.
// observe may be nil.
func (s *Stack) Pillow(i int, observe func(pillows.Observation)) (*pillows.Pillow, error) {
	processors, err := s.processors(i)
	if err != nil {
		return nil, err
	}
	stores, err := s.Stores()
	if err != nil {
		return nil, err
	}
	client, err := s.clientOptions()
	if err != nil {
		return nil, err
	}
	cfg := s.PillowConfig(i)
	return pillows.New(cfg, pillows.Deps{
		Client: client, Stores: stores, Observe: observe, Log: s.Log,
	}, processors...)
}

func (s *Stack) processors(i int) ([]pillows.Processor, error) {
	var all []pillows.Processor
	for j, p := range s.Config.Pillows[i].Processors {
		processor, err := s.reportTable(&p, s.Config.Pillows[i].Name)
		if err != nil {
			return nil, fmt.Errorf("pillows[%d].processors[%d]: %w", i, j, err)
		}
		all = append(all, processor)
	}
	return all, nil
}

// reportTable returns the processor of a table entry, the only kind there is.
func (s *Stack) reportTable(p *config.Processor, pillow string) (*table.Processor, error) {
	pool, err := s.pool(p.Table.DSN)
	if err != nil {
		return nil, fmt.Errorf("table.dsn: %w", err)
	}
	return table.New(p.Table.Config(), table.Deps{Pool: pool, Log: s.Log.With("pillow", pillow)})
}
