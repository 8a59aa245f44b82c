package localpg

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
)

// The kernel mistakes the end of the thread that started the server for the death of its parent.
func TestServerOutlivesTheThreadOfItsStart(t *testing.T) {
	t.Parallel()
	var s *Server
	var err error
	thread := onDyingThread(func() { s, err = Start(t.Context(), Config{Ephemeral: true}) })
	must(t, err)
	t.Cleanup(func() { must(t, s.Stop()) })
	eventually(t, "the thread has ended", func() bool {
		return !exists(fmt.Sprintf("/proc/self/task/%d", thread))
	})
	query(t, s, "SELECT 'alive'")
}

// onDyingThread returns the id of a thread that ends when f has returned. Go ends a thread whose goroutine ended
// without unlocking it, except for the main thread, which is therefore kept busy in the meantime.
func onDyingThread(f func()) (thread int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if thread = syscall.Gettid(); thread == os.Getpid() {
			defer runtime.UnlockOSThread()
			thread = onDyingThread(f)
			return
		}
		f()
	}()
	<-done
	return thread
}
