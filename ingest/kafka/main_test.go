package kafka

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// These tests mostly wait for the protocol's timeouts. With as many in parallel as there are processors, they took
// two minutes in total.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "12"); err != nil { // -parallel overrides it
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
