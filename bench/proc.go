package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// clockTick is the unit of times in /proc, the same on every Linux that Go supports.
const clockTick = time.Second / 100

// processStat is what Linux says about a process in /proc/PID/stat.
type processStat struct {
	name     string
	parent   int
	own      time.Duration // processor time of the process
	children time.Duration // processor time of its children that have ended
}

// statOf returns nothing if there is no such process, or no Linux.
func statOf(pid int) processStat {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return processStat{}
	}
	return parseStat(string(text))
}

func parseStat(text string) (s processStat) {
	begin, end := strings.Index(text, "("), strings.LastIndex(text, ")") // around the name, which may contain others
	if begin < 0 || end < begin {
		return s
	}
	fields := strings.Fields(text[end+1:])
	const parent, user, last = 1, 11, 14 // user, system, user of children, system of children
	if len(fields) <= last {
		return s
	}
	number := func(field int) int {
		n, _ := strconv.Atoi(fields[field])
		return n
	}
	return processStat{
		name:     text[begin+1 : end],
		parent:   number(parent),
		own:      time.Duration(number(user)+number(user+1)) * clockTick,
		children: time.Duration(number(user+2)+number(user+3)) * clockTick,
	}
}

// processorTime returns a process's processor time; 0 if unknown.
func processorTime(pid int) time.Duration { return statOf(pid).own }

// postgresTime returns the processor time of a cell's Postgres with all its processes, also those that have ended; 0
// if it does not run on this machine.
func (c *cell) postgresTime(ctx context.Context) (total time.Duration, err error) {
	return total, c.connected(ctx, func(conn *pgx.Conn) error {
		var session int
		if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&session); err != nil {
			return err
		}
		if s := statOf(session); s.name == "postgres" { // otherwise it is another process with that number
			total = familyTime(s.parent)
		}
		return nil
	})
}

// familyTime returns the processor time of a process and of all its children, running or not.
func familyTime(pid int) time.Duration {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	s := statOf(pid)
	total := s.own + s.children
	for _, entry := range all {
		if number, err := strconv.Atoi(entry.Name()); err == nil {
			if child := statOf(number); child.parent == pid {
				total += child.own + child.children
			}
		}
	}
	return total
}
