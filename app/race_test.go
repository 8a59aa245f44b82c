package app

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestRequestsOfAllKindsAtOnce sends every operation's valid request to one organisation several times, in any order
// and concurrently: objects are created twice, and deleted while they are changed.
func TestRequestsOfAllKindsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := operations(t)
	// Some requests use the objects that others create, or create them as well.
	made := strings.NewReplacer("{endpoint_id}", "new", "{watcher}", "new", "{msg_id}", "new", "{event_type_name}", "b.made")
	for range 5 {
		w.populate(t)
		var requests []request
		for range 3 {
			for _, op := range all {
				if op.id == "ApplicationDelete" {
					continue // without it the other requests would fail early
				}
				again := op.good
				again.target, again.key = made.Replace(again.target), "key"
				requests = append(requests, op.good, again)
			}
		}
		rand.Shuffle(len(requests), func(i, j int) { requests[i], requests[j] = requests[j], requests[i] })
		var group sync.WaitGroup
		for some := range slices.Chunk(requests, len(requests)/8+1) {
			group.Go(func() {
				for _, r := range some {
					w.wantNoFailure(t, r)
				}
			})
		}
		group.Wait()
	}
}
