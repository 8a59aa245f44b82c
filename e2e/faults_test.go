package e2e

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/postrider/postrider/e2e/rig"
)

var (
	faultsFor  = flag.Duration("faults", 30*time.Second, "how long TestFaultsLoseNothing lets things go wrong")
	faultsSeed = flag.Uint64("seed", 0, "what it draws the faults from; 0: a new one")
)

// TestFaultsLoseNothing injects every fault we know of, and accounts for every message at the end: each accepted
// message has arrived, intact and signed, at every endpoint it is owed to, and no message was stored twice.
func TestFaultsLoseNothing(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	seed := *faultsSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./e2e -run TestFaultsLoseNothing -faults %s -seed %d", *faultsFor, seed)
	s := rig.NewSoak(t)
	t.Cleanup(func() { t.Logf("what went wrong, by seconds:\n%s", s.Timeline) })
	s.Suffer(t, seed, *faultsFor)
	s.Settle(t)
}
