//go:build !linux

package localpg

// memoryFree returns 0: there is no file system in memory at a known place.
func memoryFree() int64 { return 0 }
