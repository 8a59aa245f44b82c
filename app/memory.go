package app

import (
	"log/slog"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryRatio leaves a tenth of the memory there is to what Go's runtime does not count.
const memoryRatio = 0.9

// limitMemory has the garbage collector run more often as the process comes near the memory of its cgroup, or else of
// the machine. The heap may otherwise grow to five times what is live, and the kernel kills a container for that.
// GOMEMLIMIT, and AUTOMEMLIMIT (a part of that memory, or off), are left to say otherwise.
func limitMemory(log *slog.Logger, available memlimit.Provider) {
	limit, err := memlimit.SetGoMemLimitWithOpts(memlimit.WithProvider(available), memlimit.WithRatio(memoryRatio))
	switch {
	case err != nil:
		log.Warn("memory limit not set", "error", err)
	case limit > 0:
		log.Debug("memory limit set", "limit_bytes", limit)
	}
}

// availableMemory is the limit of the cgroup, or else what the machine has.
func availableMemory() (uint64, error) {
	return memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
}
