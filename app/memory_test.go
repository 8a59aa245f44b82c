package app

import (
	"log/slog"
	"os"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestMemoryIsLimitedUnlessSaidOtherwise(t *testing.T) { //nolint:paralleltest // it changes the environment and the process
	was := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(was) })
	for name, test := range map[string]struct {
		variable, value string
		want            int64
	}{
		"by default":       {"", "", 9 << 30},
		"GOMEMLIMIT":       {"GOMEMLIMIT", "1GiB", was},
		"AUTOMEMLIMIT":     {"AUTOMEMLIMIT", "0.5", 5 << 30},
		"off":              {"AUTOMEMLIMIT", "off", was},
		"what is no ratio": {"AUTOMEMLIMIT", "much", was},
	} {
		for _, variable := range []string{"GOMEMLIMIT", "AUTOMEMLIMIT"} {
			t.Setenv(variable, "")
			if err := os.Unsetenv(variable); err != nil {
				t.Fatal(err)
			}
		}
		if test.variable != "" {
			t.Setenv(test.variable, test.value)
		}
		debug.SetMemoryLimit(was)
		limitMemory(slog.New(slog.DiscardHandler), memlimit.Limit(10<<30))
		if got := debug.SetMemoryLimit(-1); got != test.want {
			t.Errorf("%s: %d bytes, want %d", name, got, test.want)
		}
	}
}

func TestHeapLimitLeavesRoomForGarbage(t *testing.T) {
	t.Parallel()
	const most = 4 << 30
	for live, want := range map[int64]int64{
		0:                     smallHeap,
		100 << 20:             smallHeap,
		smallHeap * 3 / 4:     smallHeap,
		smallHeap*3/4 + 1<<20: 2 * (smallHeap*3/4 + 1<<20),
		1 << 30:               2 << 30,
		3 << 30:               most,
	} {
		if got := heapLimit(live, most); got != want {
			t.Errorf("with %d MiB live the limit is %d MiB, want %d", live>>20, got>>20, want>>20)
		}
	}
	if got := heapLimit(0, 100<<20); got != 100<<20 {
		t.Errorf("in a container of 100 MiB the limit is %d MiB", got>>20)
	}
}
