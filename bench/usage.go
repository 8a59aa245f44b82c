package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// usage is the processor time used so far.
type usage struct {
	at        time.Time
	postrider time.Duration
	attacker  time.Duration
	machine   time.Duration         // everything that runs on it
	postgres  map[int]time.Duration // by process
}

// cores is how many processors were busy on average.
type cores struct{ postrider, postgres, attacker, machine float64 }

func (c cores) String() string {
	return fmt.Sprintf("processors used: %.2f by postrider, %.2f by Postgres, %.2f by the attacker, %.2f by all of the machine",
		c.postrider, c.postgres, c.attacker, c.machine)
}

// since omits sessions that have ended in the meantime.
func (u usage) since(earlier usage) cores {
	var postgres time.Duration
	for pid, used := range u.postgres {
		postgres += used - earlier.postgres[pid]
	}
	took := u.at.Sub(earlier.at).Seconds()
	return cores{
		postrider: (u.postrider - earlier.postrider).Seconds() / took, postgres: postgres.Seconds() / took,
		attacker: (u.attacker - earlier.attacker).Seconds() / took, machine: (u.machine - earlier.machine).Seconds() / took,
	}
}

// usage reads how much processor time a cell's processes and an attacker have used, if this machine reports it.
func (c *cell) usage(ctx context.Context, attacker int) (usage, error) {
	u := usage{at: time.Now(), postgres: map[int]time.Duration{}, attacker: processorTime(attacker), machine: machineTime()}
	for _, p := range c.processes {
		u.postrider += processorTime(p.pid)
	}
	return u, c.connected(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT pid FROM pg_stat_activity")
		if err != nil {
			return err
		}
		sessions, err := pgx.CollectRows(rows, pgx.RowTo[int])
		for _, pid := range sessions {
			u.postgres[pid] = processorTime(pid)
		}
		return err
	})
}

// machineTime is the busy time of all processors; 0 if unknown.
func machineTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var busy time.Duration
	for n, field := range strings.Fields(line) {
		if ticks, err := strconv.Atoi(field); err == nil && n != idleField && n != idleField+1 && n <= lastField {
			busy += time.Duration(ticks) * clockTick
		}
	}
	return busy
}

// In the first line of /proc/stat, the fourth and fifth figures are idle time, and those after the eighth are part of
// others.
const idleField, lastField = 4, 8

// forgetPeaks makes Linux reset the peak memory of each process, if permitted; otherwise the peak covers the whole
// run, which is no less.
func (c *cell) forgetPeaks() {
	for _, p := range c.processes {
		_ = os.WriteFile("/proc/"+strconv.Itoa(p.pid)+"/clear_refs", []byte("5"), 0)
	}
}

// peak returns the highest peak memory of a process of the cell; 0 if this machine does not report it.
func (c *cell) peak() (most int64) {
	for _, p := range c.processes {
		most = max(most, peakOfProcess(p.pid))
	}
	return most
}

// peakOfProcess returns the peak memory of a process; 0 if this machine does not report it.
func peakOfProcess(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	return peakOf(status)
}

// peakOf reads the peak resident memory, in bytes, from a process's /proc status.
func peakOf(status []byte) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) == 3 && string(fields[0]) == "VmHWM:" && string(fields[2]) == "kB" {
			kilobytes, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
