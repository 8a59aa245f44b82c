package jobs

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
)

// fakeEnded holds tasks that ended long ago.
type fakeEnded struct {
	left    int64
	deletes int
	endedBy time.Time
}

func (f *fakeEnded) BackgroundTaskDeleteEnded(_ context.Context, before time.Time, most int) (int64, error) {
	f.deletes++
	f.endedBy = before
	n := min(f.left, int64(most))
	f.left -= n
	return n, nil
}

func TestEndedTasksAreDeletedBatchByBatch(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := &fakeEnded{left: 2*tasksDeletedAtOnce + 1}
	if err := EndedTasks(t.Context(), f, now); err != nil || f.left != 0 || f.deletes != 3 {
		t.Errorf("%d are left after %d deletes, %v", f.left, f.deletes, err)
	}
	if want := now.AddDate(0, 0, -90); !f.endedBy.Equal(want) {
		t.Errorf("deleted what ended before %s, want %s", f.endedBy, want)
	}
	f = &fakeEnded{left: 1 << 40}
	if err := EndedTasks(t.Context(), f, now); err != nil || f.deletes != tasksDeletedMost {
		t.Errorf("one run made %d deletes, %v", f.deletes, err)
	}
}

// fakeSteps holds a number of steps to be made.
type fakeSteps struct {
	left, made, asked atomic.Int32
	bad               atomic.Int32 // steps that fail
	fail              atomic.Bool
	slow              time.Duration
}

func (f *fakeSteps) BackgroundTaskStep(ctx context.Context, _ *core.TaskTurns) (bool, error) {
	f.asked.Add(1)
	switch {
	case f.fail.Load():
		return false, errors.New("away")
	case f.bad.Add(-1) >= 0:
		return true, errors.New("a step of one task failed")
	case f.left.Add(-1) < 0:
		f.left.Add(1)
		return false, nil
	}
	select {
	case <-ctx.Done():
		f.left.Add(1)
		return true, ctx.Err()
	case <-time.After(f.slow):
	}
	f.made.Add(1)
	return true, nil
}

// running runs Tasks in a bubble. pass lets time pass there, and stop ends it.
func running(t *testing.T, f *fakeSteps, test func(pass func(time.Duration), stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); Tasks(ctx, f, time.Now, quiet) }()
		pass := func(d time.Duration) {
			<-time.After(d) // the bubble's clock, so this takes no real time
			synctest.Wait()
		}
		test(pass, func() { cancel(); <-done })
		cancel()
		<-done
	})
}

func TestStepsFollowEachOtherAtOnceAndPollWhileIdle(t *testing.T) {
	t.Parallel()
	f := &fakeSteps{}
	f.left.Store(1000)
	running(t, f, func(pass func(time.Duration), _ func()) {
		pass(0)
		if made := f.made.Load(); made != 1000 {
			t.Errorf("%d steps of 1000 were made without waiting", made)
		}
		f.left.Store(1)
		asked := f.asked.Load()
		pass(stepPoll / 2)
		if f.asked.Load() != asked {
			t.Error("it asks all the time while there is nothing to do")
		}
		pass(stepPoll)
		if f.left.Load() != 0 {
			t.Error("a new task was not begun within the time of a poll")
		}
	})
}

// 3,000 tasks of one customer made another customer's webhooks wait four times as long.
func TestStepsRestInProportion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		step time.Duration
		made int32 // by one of taskSteps in a minute
	}{
		{10 * time.Millisecond, 1200},
		{5 * stepPoll, 10}, // the rest is short enough for others to get their turn
	} {
		f := &fakeSteps{slow: test.step}
		f.left.Store(1 << 30)
		running(t, f, func(pass func(time.Duration), _ func()) {
			pass(time.Minute - time.Nanosecond)
			if made := f.made.Load(); made != taskSteps*test.made {
				t.Errorf("%d steps of %s were made in a minute, want %d", made, test.step, taskSteps*test.made)
			}
		})
	}
}

func TestAfterAFailureThereIsAPause(t *testing.T) {
	t.Parallel()
	f := &fakeSteps{}
	f.fail.Store(true)
	running(t, f, func(pass func(time.Duration), _ func()) {
		pass(10*stepPoll - stepPoll/2)
		if asked := f.asked.Load(); asked != taskSteps*10 {
			t.Errorf("%d steps failed in 10 polls", asked)
		}
		f.fail.Store(false)
		f.left.Store(1)
		pass(stepPoll)
		if f.made.Load() != 1 {
			t.Error("it did not go on after the failures")
		}
	})
}

// A task whose steps failed made all others wait a second for each failure.
func TestStepThatFailsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := &fakeSteps{}
	f.bad.Store(100)
	f.left.Store(100)
	running(t, f, func(pass func(time.Duration), _ func()) {
		pass(0)
		if made := f.made.Load(); made != 100 {
			t.Errorf("%d steps of 100 were made beside those that failed", made)
		}
	})
}

func TestAStopWaitsForTheStepUnderWay(t *testing.T) {
	t.Parallel()
	f := &fakeSteps{slow: 5 * time.Second}
	f.left.Store(10)
	running(t, f, func(pass func(time.Duration), stop func()) {
		pass(time.Second)
		stop()
		if f.made.Load() != taskSteps || f.asked.Load() != taskSteps {
			t.Errorf("a stop made %d of %d steps end well, want those under way and no other", f.made.Load(), f.asked.Load())
		}
	})
}

func TestAStepThatHangsIsCutOff(t *testing.T) {
	t.Parallel()
	f := &fakeSteps{slow: time.Hour}
	f.left.Store(taskSteps)
	running(t, f, func(pass func(time.Duration), _ func()) {
		pass(stepTimeout + 2*stepPoll)
		if f.asked.Load() != 2*taskSteps || f.made.Load() != 0 {
			t.Errorf("asked %d times, made %d", f.asked.Load(), f.made.Load())
		}
	})
}

var _ interface {
	core.TaskCleaner
	TaskStepper
} = struct {
	*fakeEnded
	*fakeSteps
}{}
