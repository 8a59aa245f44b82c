package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/postrider/postrider/core"
)

// Partitions creates the partitions of the weeks around now, and those for rows that a default partition caught. A row
// lands there if its week has no partition, because this job did not run for weeks or a clock was wrong.
func Partitions(ctx context.Context, store core.Partitioner, now time.Time, log *slog.Logger) error {
	for _, p := range core.PartitionsAround(now) {
		if err := create(ctx, store, p, log); err != nil {
			return err
		}
	}
	for range caughtWeeksMax {
		caught, err := caughtPartitions(ctx, store)
		if err != nil || len(caught) == 0 {
			return err
		}
		for _, p := range caught {
			log.Warn("rows found outside any partition; creating their partition", "table", p.Table, "week", p.Suffix)
			if err := create(ctx, store, p, log); err != nil {
				return err
			}
		}
	}
	return nil
}

// caughtWeeksMax bounds one run; the next run continues.
const caughtWeeksMax = 200

func create(ctx context.Context, store core.Partitioner, p core.Partition, log *slog.Logger) error {
	made, err := createPatiently(ctx, store, p)
	if err != nil {
		return fmt.Errorf("partition %s_%s: %w", p.Table, p.Suffix, err)
	}
	if made {
		log.Debug("partition created", "table", p.Table, "week", p.Suffix)
	}
	return nil
}

const (
	createTries = 25
	createPause = 200 * time.Millisecond
)

// createPatiently tries again while others use the table's default partition, which the store needs to itself for a
// moment and does not wait for: whoever waits for a table makes later readers wait, too. Statements of the service
// leave a gap within a few tries; a dump of the database does not before it ends.
func createPatiently(ctx context.Context, store core.Partitioner, p core.Partition) (bool, error) {
	for try := 1; ; try++ {
		made, err := store.PartitionCreate(ctx, p)
		if try == createTries || !IsPostponed(err) {
			return made, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(createPause):
		}
	}
}

// IsPostponed reports whether Partitions failed because somebody is using the tables. Partitions are created weeks ahead,
// and rows without one go to a default partition, so it may be called again later.
func IsPostponed(err error) bool {
	e, ok := errors.AsType[*core.Error](err)
	return ok && e.Code == core.CodeTooBusy
}

// caughtPartitions returns the partitions that the caught rows belong to.
func caughtPartitions(ctx context.Context, store core.Partitioner) ([]core.Partition, error) {
	message, attempt, err := store.PartitionCaught(ctx)
	if err != nil {
		return nil, fmt.Errorf("default partitions: %w", err)
	}
	var list []core.Partition
	if message != "" {
		at, err := message.Time()
		if err != nil {
			return nil, fmt.Errorf("message %s: %w", message, err)
		}
		list = append(list, core.MessagePartition(at))
	}
	if attempt != "" {
		at, err := attempt.Time()
		if err != nil {
			return nil, fmt.Errorf("attempt %s: %w", attempt, err)
		}
		list = append(list, core.AttemptPartition(at))
	}
	return list, nil
}
