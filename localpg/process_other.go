//go:build !linux

package localpg

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent has no counterpart outside Linux: the server outlives a kill -9 until the next Start
// ends it.
func dieWithParent(*syscall.SysProcAttr) {}

// servesCluster tells whether the process is a postgres that was started with that data directory.
func servesCluster(pid int, data string) bool {
	output, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(output), "postgres -D "+data+" ")
}
