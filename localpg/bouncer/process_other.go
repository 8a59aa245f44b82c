//go:build !linux

package bouncer

import "syscall"

// dieWithParent has no effect: a process whose parent was killed stays behind.
func dieWithParent(*syscall.SysProcAttr) {}
