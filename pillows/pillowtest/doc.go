// Package pillowtest is for tests of pillows and of their processors.
//
// [Run] is the conformance suite of [pillows.Processor]: every processor passes
// it, in a test of its own package:
//
//	func TestProcessorConforms(t *testing.T) {
//		pillowtest.Run(t, func(t *testing.T) pillowtest.Subject {
//			p, db := newProcessorOnEmptyTable(t)
//			return pillowtest.Subject{
//				Processor: p,
//				Read: func(ctx context.Context, id string) (string, bool, error) { … },
//				Body: func(id, value string) json.RawMessage { … },
//				BadBody: func(id string) json.RawMessage { … },
//			}
//		})
//	}
//
// [Recorder] is a processor whose sink is memory. It keeps versions as a real
// sink does, can be made to fail, and tells everything it was given.
package pillowtest
