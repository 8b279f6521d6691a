package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"changefeed"
)

// Kafka is the broker that topics are on. Without it, or without brokers, the
// embedded broker is used.
type Kafka struct {
	Brokers     []string         `yaml:"brokers"`
	GroupPrefix string           `yaml:"group_prefix"`
	TLS         *TLS             `yaml:"tls"`
	SASL        *SASL            `yaml:"sasl"`
	Topics      map[string]Topic `yaml:"topics"`
}

// TLS is how brokers are spoken to. All files are PEM.
type TLS struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// SASL is how we say who we are.
type SASL struct {
	Mechanism    string `yaml:"mechanism"`
	User         string `yaml:"user"`
	Password     string `yaml:"password"`
	PasswordFile string `yaml:"password_file"`
}

// Topic says how init makes a topic.
type Topic struct {
	Partitions  int `yaml:"partitions"`
	Replication int `yaml:"replication"`
}

// DefaultPartitions is the number of partitions of a topic that is not listed.
const DefaultPartitions = 8

// Embedded reports whether the embedded broker is used.
func (c *Config) Embedded() bool { return c.Kafka == nil || len(c.Kafka.Brokers) == 0 }

// GroupPrefix stands before the names of consumer groups.
func (c *Config) GroupPrefix() string {
	if c.Kafka == nil {
		return ""
	}
	return c.Kafka.GroupPrefix
}

// TopicNames returns all topics that routes publish on, that pillows read and
// that are listed under kafka, sorted.
func (c *Config) TopicNames() []string {
	var names []string
	for i := range c.Postgres {
		names = append(names, c.Postgres[i].Topics()...)
	}
	for _, p := range c.Pillows {
		names = append(names, p.Topics...)
	}
	names = append(names, c.Kafka.TopicNames()...)
	slices.Sort(names)
	return slices.Compact(names)
}

// TopicNames returns the topics that are listed, sorted. They are also those that
// messages may publish on beside the routes' topics.
func (k *Kafka) TopicNames() []string {
	if k == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(k.Topics))
}

// Topic returns how a topic is made on a number of brokers.
func (c *Config) Topic(name string, brokers int) Topic {
	var t Topic
	if c.Kafka != nil {
		t = c.Kafka.Topics[name]
	}
	if t.Partitions == 0 {
		t.Partitions = DefaultPartitions
	}
	if t.Replication == 0 {
		t.Replication = min(3, brokers)
	}
	return t
}

// ClientOptions returns the addresses and the security of the configured
// brokers. It reads the files that tls names.
func (k *Kafka) ClientOptions(dir func(string) string) ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(k.Brokers...)}
	if k.TLS != nil {
		settings, err := k.TLS.load(dir)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls: %w", err)
		}
		opts = append(opts, kgo.DialTLSConfig(settings))
	}
	if k.SASL != nil {
		opts = append(opts, k.SASL.option())
	}
	return opts, nil
}

func (t *TLS) load(dir func(string) string) (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(dir(t.CA))
		if err != nil {
			return nil, err
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(dir(t.Cert), dir(t.Key))
		if err != nil {
			return nil, err
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// mechanisms of SASL that are spoken.
const (
	saslPlain       = "PLAIN"
	saslScramSHA256 = "SCRAM-SHA-256"
	saslScramSHA512 = "SCRAM-SHA-512"
)

func (s *SASL) option() kgo.Opt {
	auth := scram.Auth{User: s.User, Pass: s.Password}
	switch s.Mechanism {
	case saslScramSHA256:
		return kgo.SASL(auth.AsSha256Mechanism())
	case saslScramSHA512:
		return kgo.SASL(auth.AsSha512Mechanism())
	default:
		return kgo.SASL(plain.Auth{User: s.User, Pass: s.Password}.AsMechanism())
	}
}

func (k *Kafka) validate() error {
	var faults []error
	for i, address := range k.Brokers {
		if host, port, ok := strings.Cut(address, ":"); !ok || host == "" || port == "" {
			faults = append(faults, fmt.Errorf("kafka.brokers[%d]: %q: want host:port", i, address))
		}
	}
	for name, t := range k.Topics {
		if err := changefeed.ValidateTopic(name); err != nil {
			faults = append(faults, fmt.Errorf("kafka.topics: %w", err))
		}
		if t.Partitions < 0 || t.Replication < 0 {
			faults = append(faults, fmt.Errorf("kafka.topics.%s: partitions and replication must be positive", name))
		}
	}
	if t := k.TLS; t != nil && (t.Cert == "") != (t.Key == "") {
		faults = append(faults, errors.New("kafka.tls: cert and key go together: set both or neither"))
	}
	if s := k.SASL; s != nil {
		if known := []string{saslPlain, saslScramSHA256, saslScramSHA512}; !slices.Contains(known, s.Mechanism) {
			faults = append(faults, fmt.Errorf("kafka.sasl.mechanism: %q: want %s", s.Mechanism, strings.Join(known, ", ")))
		}
		if s.User == "" || s.Password == "" {
			faults = append(faults, errors.New("kafka.sasl: set user and password (or password_file)"))
		}
	}
	return errors.Join(faults...)
}
