package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profiled runs f and, if a file is named, writes a CPU profile of it there.
func profiled(file string, f func() error) error {
	if file == "" {
		return f()
	}
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("-profile: %w", err)
	}
	if err := pprof.StartCPUProfile(out); err != nil {
		return fmt.Errorf("-profile: %w", err)
	}
	err = f()
	pprof.StopCPUProfile()
	if e := out.Close(); err == nil && e != nil {
		return fmt.Errorf("-profile: %w", e)
	}
	return err
}
