package main

import (
	"context"
	"math"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestProcessStatIsReadFromWhatLinuxSays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]processStat{
		"12 (postgres) S 7 12 12 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 1 0 5\n": {"postgres", 7, 2 * time.Second, 300 * time.Millisecond},
		"12 (a) b (c) R 1 12 12 0 -1 0 0 0 0 0 1 2 3 4 20 0\n":                   {"a) b (c", 1, 30 * time.Millisecond, 70 * time.Millisecond},
		"12 (postgres) S 7 12\n": {},
		"no process":             {},
		"":                       {},
	} {
		if got := parseStat(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

// A session of Postgres may end while messages are measured; its time counts.
func TestFamilyTimeCountsChildrenThatHaveEnded(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("without /proc")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// The shell burns time in a child, waits for its end, and stays.
	cmd := exec.CommandContext(ctx, "sh", "-c", "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; echo; read line")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }() // it was killed
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if s := statOf(cmd.Process.Pid); s.children == 0 || s.parent != os.Getpid() {
		t.Errorf("%+v, want time of children, and our process as the parent", s)
	}
	if own, family := processorTime(cmd.Process.Pid), familyTime(cmd.Process.Pid); family <= own {
		t.Errorf("the family used %s, the process alone %s", family, own)
	}
	if ours := familyTime(os.Getpid()); ours < processorTime(cmd.Process.Pid) {
		t.Errorf("our family used %s, less than one child", ours)
	}
	cancel()
	_ = cmd.Wait() // it was killed
}

func TestSizingRowSaysWhatIsUnknown(t *testing.T) {
	t.Parallel()
	row := func(figure float64) []sizingFigure {
		return []sizingFigure{{"messages/s", 100}, {"api, MiB", known(figure)}}
	}
	if got, want := sizingHead(row(1)), "| load | messages/s | api, MiB |\n|---|---|---|\n"; got != want {
		t.Errorf("head %q, want %q", got, want)
	}
	for figure, want := range map[float64]string{12.4: "| x | 100 | 12 |\n", 0: "| x | 100 | n/a |\n"} {
		if got := sizingRow("x", row(figure)); got != want {
			t.Errorf("%v: %q, want %q", figure, got, want)
		}
	}
	if got := sizingRow("x", mediansOf([][]sizingFigure{row(3), row(1), row(2)})); got != "| x | 100 | 2 |\n" {
		t.Errorf("median: %q", got)
	}
	if unknown := mediansOf([][]sizingFigure{row(0), row(0)})[1].value; !math.IsNaN(unknown) {
		t.Errorf("the median of what is unknown is %v", unknown)
	}
}
