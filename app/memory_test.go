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
