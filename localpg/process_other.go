//go:build !linux

package localpg

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent has no counterpart outside Linux: the server survives a kill -9 of its parent until the next Start
// stops it.
func dieWithParent(*syscall.SysProcAttr) {}

// servesCluster reports whether the process is a postgres that was started with this data directory.
func servesCluster(pid int, data string) bool {
	output, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(output), "postgres -D "+data+" ")
}
