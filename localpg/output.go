package localpg

import (
	"bytes"
	"strings"
	"sync"
)

const (
	keptBytes = 4096 // room for keptLines of usual length
	keptLines = 5
)

// tail remembers the end of its input, for the error about a server that failed to start: its log may be a writer
// that we cannot read.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - keptBytes; over > 0 {
		t.kept = bytes.Clone(t.kept[over:])
	}
	return len(p), nil
}

func (t *tail) lines() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastLines(t.kept)
}

// lastLines joins the last few lines into one, because an error is one line.
func lastLines(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	lines = lines[max(0, len(lines)-keptLines):]
	return strings.Join(lines, "; ")
}
