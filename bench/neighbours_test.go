package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPeakIsReadFromWhatLinuxSays(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]int64{
		"Name:\tpostrider\nVmPeak:\t  999 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n": 2 << 20,
		"Name:\tpostrider\n": 0,
		"VmHWM:\t many kB\n": 0,
		"":                   0,
	} {
		if got := peakOf([]byte(status)); got != want {
			t.Errorf("%q: %d bytes, want %d", status, got, want)
		}
	}
}

func TestCoresAreOfSessionsThatAreStillThere(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	before := usage{at: begin, postrider: time.Second, postgres: map[int]time.Duration{1: time.Second, 2: time.Second}}
	after := usage{at: begin.Add(2 * time.Second), postrider: 2 * time.Second, postgres: map[int]time.Duration{1: 2 * time.Second, 3: time.Second}}
	if got, want := after.since(before), (cores{postrider: 0.5, postgres: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// figuresOf returns the figures of a neighbour whose latencies are all equal.
func figuresOf(took time.Duration) neighbourFigures {
	return neighbourFigures{accept: latency{took, took}, deliver: latency{took, took}}
}

func TestNeighbourIsJudgedByMediansAndMemory(t *testing.T) {
	t.Parallel()
	calm := besides{alone: figuresOf(time.Second), beside: figuresOf(time.Second), memory: 1 << 20}
	slow, large, refused, missing := calm, calm, calm, calm
	slow.beside = figuresOf(2 * time.Second)
	large.memory = neighbourMemory + 1
	refused.beside.refused, missing.beside.missing = 1, 1
	for name, c := range map[string]struct {
		rounds []besides
		faults int
	}{
		"calm":             {[]besides{calm, calm, calm}, 0},
		"one slow round":   {[]besides{calm, slow, calm}, 0},
		"two slow rounds":  {[]besides{slow, calm, slow}, 4},
		"one large round":  {[]besides{calm, large, calm}, 1},
		"refused":          {[]besides{refused}, 1},
		"missing":          {[]besides{missing}, 1},
		"was not measured": {nil, 1},
	} {
		if faults, _ := judgeBesides(c.rounds); len(faults) != c.faults {
			t.Errorf("%s: %q, want %d faults", name, faults, c.faults)
		}
	}
}

func TestAttacksAreNamed(t *testing.T) {
	t.Parallel()
	all, err := attacksNamed("")
	if err != nil || len(all) != len(allAttacks) {
		t.Errorf("%d attacks by default: %v", len(all), err)
	}
	if some, err := attacksNamed("d,a"); err != nil || len(some) != 2 || some[0].name != "d" || some[1].name != "a" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := attacksNamed("a,none"); err == nil {
		t.Error("an attack that there is not is taken")
	}
}

func TestAttackersFillWhatTheyMay(t *testing.T) {
	t.Parallel()
	bytes := 0
	for name, value := range largestHeaders()["headers"].(map[string]string) {
		bytes += len(name) + len(value)
	}
	if most := 65_536; bytes > most || bytes < most*9/10 {
		t.Errorf("headers of %d bytes", bytes)
	}
	if body := largeMessage(); len(body) > 2<<20 || len(body) < 2<<20-1000 || !json.Valid(body) {
		t.Errorf("a body of %d bytes: %s", len(body), body[:100])
	}
	held := fmt.Sprintf(orderHeld, "an app", "an endpoint")
	if strings.Contains(held, "%!") || strings.Count(held, "'an app'") != 2 || strings.Count(held, "'an endpoint'") != 1 {
		t.Error("the lock is not that of an application and an endpoint")
	}
}
