package core

import (
	"context"
	"time"
)

// Partition is the part of a table that holds the ids of one week.
type Partition struct {
	Table    string // "message" or "attempt"
	Suffix   string // of its name: the Monday on which it begins, as 20060102
	From, To string // the ids it holds, from From up to but excluding To
}

const (
	week = 7 * 24 * time.Hour

	// partitionWeeksBehind allows for a clock that is behind ours.
	partitionWeeksBehind = 1

	// partitionWeeksAhead is how long the jobs may be down before rows land in a default partition.
	partitionWeeksAhead = 5
)

// PartitionsAround returns the partitions that should exist at that instant.
func PartitionsAround(at time.Time) []Partition {
	var list []Partition
	for n := -partitionWeeksBehind; n <= partitionWeeksAhead; n++ {
		monday := at.Add(time.Duration(n) * week)
		list = append(list, MessagePartition(monday), AttemptPartition(monday))
	}
	return list
}

// MessagePartition returns the partition that holds the messages of that instant.
func MessagePartition(at time.Time) Partition { return partition("message", messagePrefix, at) }

// AttemptPartition returns the partition that holds the attempts of that instant.
func AttemptPartition(at time.Time) Partition { return partition("attempt", attemptPrefix, at) }

func partition(table, prefix string, at time.Time) Partition {
	monday := at.UTC().Truncate(week) // the zero time, which Truncate counts from, is a Monday
	return Partition{
		Table: table, Suffix: monday.Format("20060102"),
		From: firstID(prefix, monday), To: firstID(prefix, monday.Add(week)),
	}
}

// Partitioner creates partitions.
type Partitioner interface {
	// PartitionCreate creates a partition and moves the rows of its range there from the table's default partition. It
	// returns false if the partition already exists. It waits for nobody: if somebody uses the default partition, it
	// fails with CodeTooBusy.
	PartitionCreate(ctx context.Context, p Partition) (bool, error)
	// PartitionCaught returns an id from the default partition of message and one from that of attempt. An id is empty
	// if its default partition has no rows.
	PartitionCaught(ctx context.Context) (MessageID, AttemptID, error)
	// PartitionAnalyze updates the planner's statistics of partitioned tables that were last analyzed before that time.
	// It returns false if there are none, or if another process is doing it.
	PartitionAnalyze(ctx context.Context, before time.Time) (bool, error)
}
