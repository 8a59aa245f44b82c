package kafka

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// These tests mostly wait, for timeouts of the protocol. With as many at a time as there are
// processors, all of them took two minutes.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "12"); err != nil { // -parallel overrides it
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
