package localpg

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startHelper starts another process that runs a server in dir, and returns it with that server's pid.
func startHelper(t *testing.T, dir string) (*exec.Cmd, int) {
	t.Helper()
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), helperDir+"="+dir)
	output, err := helper.StdoutPipe()
	must(t, err)
	must(t, helper.Start())
	t.Cleanup(func() {
		_ = helper.Process.Kill()
		_ = helper.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	must(t, err)
	return helper, pid
}

func TestKilledParentLeavesNoOrphan(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a process of its parent's death")
	}
	t.Parallel()
	dir := newDir(t)
	helper, pid := startHelper(t, dir)
	if !servesCluster(pid, filepath.Join(dir, "data")) {
		t.Fatal("the helper's server is not recognised, so that this test would prove nothing")
	}
	must(t, helper.Process.Kill())
	eventually(t, "the server is gone", func() bool { return !servesCluster(pid, filepath.Join(dir, "data")) })
}

func TestStartRightAfterAKilledParent(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	for range 3 {
		helper, _ := startHelper(t, dir)
		must(t, helper.Process.Kill())
		// Once the process is reaped, the lock is free; its server may still be running.
		_ = helper.Wait()
		must(t, start(t, Config{Dir: dir, Ephemeral: true}).Stop())
	}
}

// On macOS a server outlives its killed parent. Releasing the lock simulates that here.
func TestStartEndsAnOrphan(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	orphan := start(t, Config{Dir: dir, Ephemeral: true})
	must(t, orphan.lock.Unlock())
	start(t, Config{Dir: dir, Ephemeral: true})
	<-orphan.Done()
}

func TestPidOfAnUnrelatedProcessIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	s := start(t, Config{Dir: dir, Ephemeral: true})
	must(t, s.Stop())
	// A process of the same user, for which Postgres itself would refuse to start.
	other := command(t.Context(), s.account, "/bin/sleep", "600")
	must(t, other.Start())
	content := fmt.Sprintf("%d\n%s\n", other.Process.Pid, s.data())
	must(t, os.WriteFile(filepath.Join(s.data(), "postmaster.pid"), []byte(content), 0o644))

	start(t, Config{Dir: dir, Ephemeral: true})
	must(t, other.Process.Kill())
	_ = other.Wait()
	if got := other.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != syscall.SIGKILL {
		t.Errorf("the other process was ended by %v before this test did so", got)
	}
}

func TestUnfinishedClustersAreRemoved(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	unfinished := filepath.Join(dir, "data.tmp-123")
	must(t, os.MkdirAll(filepath.Join(unfinished, "base"), 0o700))
	start(t, Config{Dir: dir, Ephemeral: true})
	if _, err := os.Stat(unfinished); err == nil {
		t.Error("the unfinished cluster is still there")
	}
}

// Not parallel: it looks at directories that every ephemeral start removes, and changes TMPDIR.
func TestTemporaryDirectoriesOfKilledProcessesAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", newDir(t))
	abandoned, young := temporaryDir(t, time.Hour), temporaryDir(t, 0)
	s := start(t, Config{Ephemeral: true})
	used := temporaryDir(t, time.Hour)
	holder := &Server{dir: used}
	must(t, holder.takeLock())
	must(t, os.Chtimes(used, time.Time{}, time.Now().Add(-time.Hour)))

	start(t, Config{Ephemeral: true})
	must(t, holder.lock.Unlock())
	if exists(abandoned) || !exists(young) || !exists(used) || !exists(s.dir) {
		t.Errorf("there are: the abandoned one %t, a young one %t, one in use %t, another server's %t",
			exists(abandoned), exists(young), exists(used), exists(s.dir))
	}
}

// Not parallel: it changes TMPDIR.
func TestTemporaryDirectoryInMemoryIfThereIsRoom(t *testing.T) {
	isolated := os.Getenv("TMPDIR")
	if s := start(t, Config{Ephemeral: true, InMemory: true}); filepath.Dir(s.dir) != isolated {
		t.Errorf("it is %s, although TMPDIR is %s", s.dir, isolated)
	}
	t.Setenv("TMPDIR", "")
	want := "/tmp"
	if memoryFree() >= memoryRoom {
		want = memoryDir
	}
	s := start(t, Config{Ephemeral: true, InMemory: true})
	if filepath.Dir(s.dir) != want {
		t.Errorf("it is %s, want it in %s", s.dir, want)
	}
	must(t, s.Stop())
	if exists(s.dir) {
		t.Errorf("%s is still there", s.dir)
	}
}

func temporaryDir(t *testing.T, age time.Duration) string {
	t.Helper()
	dir, err := os.MkdirTemp("", temporaryPrefix+"*")
	must(t, err)
	must(t, os.Chtimes(dir, time.Time{}, time.Now().Add(-age)))
	return dir
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestServesClusterIsFalseForOthers(t *testing.T) {
	t.Parallel()
	for _, pid := range []int{os.Getpid(), syscall.Getppid(), 1, 1 << 30} {
		if servesCluster(pid, t.TempDir()) {
			t.Errorf("pid %d was taken for a Postgres", pid)
		}
	}
}
