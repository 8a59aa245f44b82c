package core

import (
	"context"
	"time"
)

// Partition is the part of a table that holds the ids of one week.
type Partition struct {
	Table    string // "message" or "attempt"
	Suffix   string // of its name: the Monday it begins with, as 20060102
	From, To string // the ids it holds: From up to but not To
}

const (
	week = 7 * 24 * time.Hour

	// partitionWeeksBehind makes room for a clock that is behind ours.
	partitionWeeksBehind = 1

	// partitionWeeksAhead is how long the jobs may be away before rows land in a default partition.
	partitionWeeksAhead = 5
)

// PartitionsAround are the partitions that should exist at that instant.
func PartitionsAround(at time.Time) []Partition {
	var list []Partition
	for n := -partitionWeeksBehind; n <= partitionWeeksAhead; n++ {
		monday := at.Add(time.Duration(n) * week)
		list = append(list, MessagePartition(monday), AttemptPartition(monday))
	}
	return list
}

// MessagePartition is the one that holds the messages of that instant.
func MessagePartition(at time.Time) Partition { return partition("message", messagePrefix, at) }

// AttemptPartition is the one that holds the attempts of that instant.
func AttemptPartition(at time.Time) Partition { return partition("attempt", attemptPrefix, at) }

func partition(table, prefix string, at time.Time) Partition {
	monday := at.UTC().Truncate(week) // the zero time, which Truncate counts from, is a Monday
	return Partition{
		Table: table, Suffix: monday.Format("20060102"),
		From: firstID(prefix, monday), To: firstID(prefix, monday.Add(week)),
	}
}

// Partitioner makes partitions.
type Partitioner interface {
	// PartitionCreate makes a partition, with the rows of its range that the table's default partition
	// caught. False: it is there already.
	PartitionCreate(ctx context.Context, p Partition) (bool, error)
	// PartitionCaught returns an id that the default partition of message caught, and one that the
	// default partition of attempt did; empty where it caught none.
	PartitionCaught(ctx context.Context) (MessageID, AttemptID, error)
	// PartitionAnalyze gathers the planner's statistics of partitioned tables whose last ones are from before a
	// time. False: there are none, or another process is doing it.
	PartitionAnalyze(ctx context.Context, before time.Time) (bool, error)
}
