package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// secret is a key and its _file twin.
type secret struct {
	key   string
	value *string
	file  string
}

// readFiles fills every key whose _file twin is set.
func (c *Config) readFiles() error {
	secrets := []secret{{"state.dsn", &c.State.DSN, c.State.DSNFile}}
	if c.Kafka != nil && c.Kafka.SASL != nil {
		secrets = append(secrets, secret{"kafka.sasl.password", &c.Kafka.SASL.Password, c.Kafka.SASL.PasswordFile})
	}
	for i := range c.Postgres {
		p := &c.Postgres[i]
		at := fmt.Sprintf("postgres[%d].", i)
		secrets = append(secrets, secret{at + "dsn", &p.DSN, p.DSNFile}, secret{at + "replica_dsn", &p.ReplicaDSN, p.ReplicaDSNFile})
	}
	for i := range c.Pillows {
		for j, processor := range c.Pillows[i].Processors {
			if t := processor.Table; t != nil {
				at := fmt.Sprintf("pillows[%d].processors[%d].table.", i, j)
				secrets = append(secrets, secret{at + "dsn", &t.DSN, t.DSNFile})
			}
		}
	}
	var faults []error
	for _, s := range secrets {
		faults = append(faults, c.readFile(s))
	}
	return errors.Join(faults...)
}

func (c *Config) readFile(s secret) error {
	if s.file == "" {
		return nil
	}
	if *s.value != "" {
		return fmt.Errorf("%s and %s_file are both set: remove one", s.key, s.key)
	}
	text, err := os.ReadFile(c.Path(s.file))
	if err != nil {
		return fmt.Errorf("%s_file: %w", s.key, err)
	}
	*s.value = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	return nil
}
