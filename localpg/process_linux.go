package localpg

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// dieWithParent makes the kernel send the signal of a fast shutdown when the parent ends, even by kill -9.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }

// servesCluster reports whether the process is a live postgres of that data directory, which every postgres makes its
// working directory. A zombie has none; in a container nobody may ever reap it. The name of the program may be that
// of a wrapper, such as Nix creates.
func servesCluster(pid int, data string) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || !bytes.Contains(name, []byte("postgres")) {
		return false
	}
	there, err := os.Stat(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return false
	}
	here, err := os.Stat(data)
	return err == nil && os.SameFile(there, here)
}
