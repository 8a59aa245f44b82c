package jobs

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
)

// fakePartitions holds tables in memory.
type fakePartitions struct {
	revocations
	made    map[string]bool
	message []core.MessageID // in the default partition
	attempt []core.AttemptID
	fail    int
	locked  int // tries that find a table locked
	runs    atomic.Int32
	before  time.Time // keys up to then are deleted

	analyzed time.Time // statistics from before then are updated
	fakeEnded
}

func (f *fakePartitions) AttemptCountPrune(context.Context, time.Time) (int64, error) { return 0, nil }

func (f *fakePartitions) IdempotencyPrune(_ context.Context, before time.Time) (int64, error) {
	f.before = before
	return 1, nil
}

func (f *fakePartitions) PartitionCreate(_ context.Context, p core.Partition) (bool, error) {
	if f.locked > 0 {
		f.locked--
		return false, core.TooBusy("locked")
	}
	if f.fail > 0 {
		f.fail--
		return false, errors.New("away")
	}
	name := p.Table + "_" + p.Suffix
	if f.made[name] {
		return false, nil
	}
	f.made[name] = true
	f.message = kept(f.message, p)
	f.attempt = kept(f.attempt, p)
	return true, nil
}

func kept[ID ~string](ids []ID, p core.Partition) []ID {
	var rest []ID
	for _, id := range ids {
		if string(id) < p.From || string(id) >= p.To {
			rest = append(rest, id)
		}
	}
	return rest
}

func (f *fakePartitions) PartitionCaught(context.Context) (core.MessageID, core.AttemptID, error) {
	f.runs.Add(1)
	var message core.MessageID
	var attempt core.AttemptID
	if len(f.message) > 0 {
		message = f.message[0]
	}
	if len(f.attempt) > 0 {
		attempt = f.attempt[0]
	}
	return message, attempt, nil
}

func (f *fakePartitions) PartitionAnalyze(_ context.Context, before time.Time) (bool, error) {
	f.analyzed = before
	return true, nil
}

var quiet = slog.New(slog.DiscardHandler)

func TestPartitionsReachWeeksAhead(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := &fakePartitions{made: map[string]bool{}}
	if err := Partitions(t.Context(), f, now, quiet); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"message_20261116", "attempt_20261116", "message_20261109", "message_20261221"} {
		if !f.made[name] {
			t.Errorf("%s was not made", name)
		}
	}
}

// A reader of the tables, such as a dump, postpones partitions; it does not end the process that starts.
func TestPartitionsAreTriedAgainWhileTheTablesAreInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakePartitions{made: map[string]bool{}, locked: createTries - 1}
		if err := Partitions(t.Context(), f, time.Now(), quiet); err != nil || len(f.made) == 0 {
			t.Errorf("in use for a moment: %v, %d made", err, len(f.made))
		}
		begin := time.Now()
		f = &fakePartitions{made: map[string]bool{}, locked: 1000}
		if err := Partitions(t.Context(), f, time.Now(), quiet); !IsPostponed(err) || len(f.made) != 0 {
			t.Errorf("in use for hours: %v, %d made", err, len(f.made))
		}
		if waited := time.Since(begin); waited > 10*time.Second {
			t.Errorf("a process that starts waits %s for the end of a dump", waited)
		}
	})
}

func TestWhatADefaultPartitionCaughtIsMoved(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := &fakePartitions{
		made: map[string]bool{},
		message: []core.MessageID{
			core.NewMessageID(now.AddDate(3, 0, 0)), core.NewMessageID(now.AddDate(-5, 0, 0)), core.NewMessageID(time.Time{}),
		},
		attempt: []core.AttemptID{core.NewAttemptID(now.AddDate(300, 0, 0))},
	}
	if err := Partitions(t.Context(), f, now, quiet); err != nil || len(f.message)+len(f.attempt) != 0 {
		t.Errorf("left: %v, %v; %v", f.message, f.attempt, err)
	}
}

func TestJobsRunEveryHourAndSoonerAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakePartitions{made: map[string]bool{}, fail: 1}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); Run(ctx, f, time.Now, quiet) }()
		pass := func(d time.Duration) {
			<-time.After(d) // the bubble's clock, so this takes no real time
			synctest.Wait()
		}
		pass(interval + retry/2)
		if f.runs.Load() != 0 {
			t.Errorf("%d runs succeeded while the database was away", f.runs.Load())
		}
		pass(retry)
		if f.runs.Load() != 1 {
			t.Errorf("%d runs a minute after a failure, want 1", f.runs.Load())
		}
		pass(interval)
		if f.runs.Load() != 2 {
			t.Errorf("%d runs an hour later, want 2", f.runs.Load())
		}
		stop()
		<-done
		if age := time.Since(f.before); age < core.IdempotencyLifetime || age > core.IdempotencyLifetime+retry {
			t.Errorf("idempotency keys are forgotten after %s", age)
		}
	})
}

func TestStatisticsAreGatheredOnceADay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	f := &fakePartitions{made: map[string]bool{}}
	if err := Statistics(t.Context(), f, now, quiet); err != nil || !f.analyzed.Equal(now.Add(-24*time.Hour)) {
		t.Errorf("%v: those from before %s are gathered", err, f.analyzed)
	}
}
