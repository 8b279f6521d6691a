package kafkatest

import (
	"os"
	"path/filepath"
	"strings"
)

// clusterID is any valid one: each broker is a cluster of its own.
const clusterID = "AAAAAAAAAAAAAAAAAAAAAQ"

// serverProperties make one broker that is its own controller. Sessions are
// short, so that one that was killed is let in again soon. Internal topics have
// few partitions, which a start has to open. Nothing is ever removed.
const serverProperties = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
log.retention.hours=-1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
`

// arguments are those of Java. The quick compiler alone halves the time of a
// start; a test is over before the other pays.
func (b *Broker) arguments(class string, args ...string) []string {
	return append([]string{
		"-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(b.jars, "*"), class,
	}, args...)
}

func (b *Broker) propertiesFile() string { return filepath.Join(b.dir, "server.properties") }

func (b *Broker) logFile() string { return filepath.Join(b.dir, "log") }

// tailLines is how much of the log a failed test shows.
const tailLines = 20

func (b *Broker) logTail() string {
	text, err := os.ReadFile(b.logFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
