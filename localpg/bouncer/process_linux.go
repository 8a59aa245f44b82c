package bouncer

import "syscall"

// dieWithParent makes the kernel end the process when the parent ends, even by kill -9.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
