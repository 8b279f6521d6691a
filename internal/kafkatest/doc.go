// Package kafkatest gives tests a real Apache Kafka: one broker in KRaft mode, on
// the loopback interface, that takes requests a few seconds after the call.
//
//	kafka := kafkatest.New(t)
//	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Address()))
//
// # Programs
//
// Java, 17 or later, has to be installed. Kafka's jars, listed in this package
// with their checksums, are downloaded once (45 MB) from Maven Central into
// changefeed-test in the user's cache folder. CHANGEFEED_MAVEN_REPOSITORY holds
// the URL of another repository to take them from. Where Java or the jars cannot
// be had, a test is skipped; with CHANGEFEED_TEST_STRICT=1 it fails.
//
// # Faults
//
//	           New         Kill, Stop
//	(none) ──────▶ running ──────────▶ down
//	               │     ▲ ◀──────────  ▲
//	       Suspend ▼     │    Start     │ Kill
//	               suspended ───────────┘
//	                     Resume
//
// The directory and the port stay the same. A broker that was killed loses
// nothing that it has acknowledged: what it wrote is in the system's memory. It
// is let in again when its session with the controller has ended, which is set to
// two seconds.
//
// The broker is gone when the test has ended, and also when the test's process is
// killed: a shell waits for the end of a pipe that only this process holds open,
// and kills the broker then.
package kafkatest
