package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestStepsThatAreMadeAtOnceDoNothingTwice(t *testing.T) {
	t.Parallel()
	for _, tasks := range []int{1, 3} {
		t.Run(fmt.Sprint(tasks), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ids := w.addMessages(w.app.ID, 2_100, past())
			var begun []core.BackgroundTask
			for range tasks {
				e := w.addEndpoint(nil)
				w.addAttempts(e, 500, ids...)
				begun = append(begun, w.recovers(e, past().Add(-time.Minute)))
			}
			var runners sync.WaitGroup
			for range 4 {
				runners.Go(func() {
					turns := new(core.TaskTurns) // of one process
					for s := w.tasks(); value[int](w, "SELECT count(*) FROM background_task WHERE status = 'running'") > 0; {
						if _, err := s.BackgroundTaskStep(t.Context(), turns); err != nil {
							t.Error(err)
						}
					}
				})
			}
			runners.Wait()
			for _, task := range begun {
				w.wantSent(w.task(task.ID), 2_100, 2_100)
			}
			if n := value[int](w, "SELECT count(*) FROM delivery WHERE manual AND lease = 0"); n != tasks*2_100 {
				t.Errorf("%d deliveries are owed", n)
			}
		})
	}
}

func TestAStepDoesNotWaitForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	first := w.recovers(e, past())
	second := w.recovers(w.addEndpoint(nil), past())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w.in(func(_ context.Context, tx core.Tx) error { // another process is making a step of the first
		if _, err := tx.BackgroundTaskClaim(ctx, first.Place(), "", now()); err != nil {
			return err
		}
		if worked, err := w.tasks().BackgroundTaskStep(ctx, new(core.TaskTurns)); !worked || err != nil {
			t.Errorf("the other task: %v, %v", worked, err)
		}
		if worked, err := w.tasks().BackgroundTaskStep(ctx, new(core.TaskTurns)); worked || err != nil {
			t.Errorf("with nothing left: %v, %v", worked, err)
		}
		return nil
	})
	if now := w.task(second.ID); now.Status != core.TaskFinished {
		t.Errorf("the task is %+v", now)
	}
}
