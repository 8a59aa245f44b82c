package app

import (
	"context"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryRatio leaves a tenth of the available memory to what Go's runtime does not count.
const memoryRatio = 0.9

// limitMemory makes the garbage collector run more often as the process approaches the memory limit of its cgroup, or
// else of the machine. The heap may otherwise grow to five times its live size, and the kernel kills a container for
// that. GOMEMLIMIT and AUTOMEMLIMIT (a fraction of that memory, or off) override the limit. It returns the limit, or
// 0 if it set none.
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
	// smallHeap is more than the sum of the default limits on memory: 64 MiB of payloads, 16 MiB of request bodies at
	// five times their size, and a thousand deliveries with their headers.
	smallHeap = 448 << 20

	heapInterval = time.Second
)

// keepHeapSmall limits the heap further while little of it is live, until ctx ends. On a busy machine the collector
// falls behind a flood of large requests, and the heap would grow to six times its live size.
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

// heapLimit leaves at least a quarter of the heap to garbage, so that the collector never runs all the time.
func heapLimit(live, most int64) int64 {
	limit := int64(smallHeap)
	if live > smallHeap*3/4 {
		limit = 2 * live
	}
	return min(limit, most)
}

// availableMemory returns the limit of the cgroup, or else the machine's memory.
func availableMemory() (uint64, error) {
	return memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
}
