package app

import (
	"context"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryRatio leaves a tenth of the memory there is to what Go's runtime does not count.
const memoryRatio = 0.9

// limitMemory has the garbage collector run more often as the process comes near the memory of its cgroup, or else of
// the machine. The heap may otherwise grow to five times what is live, and the kernel kills a container for that.
// GOMEMLIMIT, and AUTOMEMLIMIT (a part of that memory, or off), are left to say otherwise. It returns the limit; 0: it set
// none.
func limitMemory(log *slog.Logger, available memlimit.Provider) int64 {
	limit, err := memlimit.SetGoMemLimitWithOpts(memlimit.WithProvider(available), memlimit.WithRatio(memoryRatio))
	switch {
	case err != nil:
		log.Warn("memory limit detection failed; no limit set", "error", err)
	case limit > 0:
		log.Debug("memory limit set", "limit_bytes", limit)
	}
	return limit
}

const (
	// smallHeap is more than the bounds on what the process holds add up to by default: 64 MiB of payloads, 16 MiB of
	// request bodies at five times their size, and a thousand deliveries with their headers.
	smallHeap = 448 << 20

	heapInterval = time.Second
)

// keepHeapSmall limits the heap further while little of it is live, until ctx ends. On a busy machine the collector
// falls behind a flood of large requests, and the heap would grow to six times what is live.
func keepHeapSmall(ctx context.Context, most int64) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	ticks := time.NewTicker(heapInterval)
	defer ticks.Stop()
	for {
		metrics.Read(live)
		debug.SetMemoryLimit(heapLimit(int64(live[0].Value.Uint64()), most))
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// heapLimit never makes the collector run all the time: it leaves at least a quarter of the heap to garbage.
func heapLimit(live, most int64) int64 {
	limit := int64(smallHeap)
	if live > smallHeap*3/4 {
		limit = 2 * live
	}
	return min(limit, most)
}

// availableMemory is the limit of the cgroup, or else what the machine has.
func availableMemory() (uint64, error) {
	return memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
}
