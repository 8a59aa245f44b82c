package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// addReplays creates running tasks of an application, each for an endpoint of its own that wants none of the
// messages.
func (w *world) addReplays(app core.Application, n int) []core.TaskID {
	w.t.Helper()
	endpoints, tasks := make([]core.EndpointID, n), make([]core.TaskID, n)
	for i := range n {
		endpoints[i], tasks[i] = core.NewEndpointID(now()), core.NewTaskID(past())
	}
	w.exec(`INSERT INTO endpoint (app_id, id, url, description, version, disabled, event_types, secret, headers, metadata, created_at, updated_at)
		SELECT $1, id, 'http://example.test/', '', 1, false, '{none}', '\x00', '{}', '{}', now(), now() FROM unnest($2::text[]) AS id`, app.ID, endpoints)
	w.exec(`INSERT INTO background_task (org_id, id, task, app_id, endpoint_id, parameters, status, cursor, processed, data, failures, created_at, updated_at, next_at)
		SELECT $1, task, 'endpoint.replay', $2, endpoint, jsonb_build_object('since', now() - interval '1 day', 'until', now()), 'running', '', 0,
			'{"messagesSent": 0}', 0, now(), now(), now() - interval '1 hour'
		FROM unnest($3::text[], $4::text[]) AS begun(task, endpoint)`, app.OrgID, app.ID, tasks, endpoints)
	return tasks
}

// 3,000 replays of one application used to make another one's take 92 s instead of 1.3 s.
func TestTaskBesideManyHasEverySecondStep(t *testing.T) {
	t.Parallel()
	const messages, alone = 2_100, 5 // steps of 500
	for name, flood := range map[string]func(*world){
		"of another application": func(w *world) {
			w.addMessages(w.app.ID, messages, past())
			w.addReplays(w.app, 300)
		},
		"of another organisation": func(w *world) {
			other := w.addApplication("org_other", "other")
			w.addMessages(other.ID, messages, past())
			w.addReplays(other, 300)
		},
		"of another organisation's applications": func(w *world) {
			for i := range 100 {
				other := w.addApplication("org_other", fmt.Sprint(i))
				w.addMessages(other.ID, 600, past())
				w.addReplays(other, 3)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			flood(w)
			app := w.addApplication(testOrg, "neighbour")
			w.addMessages(app.ID, messages, past())
			task := w.addReplays(app, 1)[0]
			turns, steps := new(core.TaskTurns), 0
			for s := w.tasks(); w.task(task).Status == core.TaskRunning; steps++ {
				if worked, err := s.BackgroundTaskStep(t.Context(), turns); !worked || err != nil {
					t.Fatal(worked, err)
				}
			}
			if steps > 2*alone+2 {
				t.Errorf("the task had its %d steps among %d", alone, steps)
			}
		})
	}
}

func TestTasksOfOneApplicationTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addMessages(w.app.ID, 1_100, past())
	begun := w.addReplays(w.app, 3)
	s, turns := w.tasks(), new(core.TaskTurns)
	for round := 1; round <= 2; round++ {
		for range begun {
			if _, err := s.BackgroundTaskStep(t.Context(), turns); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range begun {
			if now := w.task(id); now.Processed != int64(500*round) {
				t.Errorf("after %d rounds a task has processed %d", round, now.Processed)
			}
		}
	}
}

// A task that waits for room in the queue or after a failure is passed over.
func TestTaskThatWaitsHasNoTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addMessages(w.app.ID, 1_100, past())
	begun := w.addReplays(w.app, 3)
	w.exec("UPDATE background_task SET next_at = now() + interval '1 hour' WHERE id <> $1", begun[1])
	if n := w.steps(w.tasks()); n != 3 {
		t.Errorf("%d steps were made, want the 3 of one task", n)
	}
	w.exec("UPDATE background_task SET next_at = now()")
	if n := w.steps(w.tasks()); n != 6 {
		t.Errorf("%d steps were made once the others waited no more, want 6", n)
	}
}

// A new task gets its turn while others have endless work.
func TestTaskThatBeginsLaterHasItsTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addMessages(w.app.ID, 600, past())
	w.addReplays(w.app, 50)
	began, turns := time.Now(), new(core.TaskTurns)
	s := w.tasksOn(w.Store, func() time.Time { return began })
	step := func() {
		t.Helper()
		if worked, err := s.BackgroundTaskStep(t.Context(), turns); !worked || err != nil {
			t.Fatal(worked, err)
		}
	}
	step()
	other := w.addApplication("org_other", "other")
	w.addMessages(other.ID, 1, past())
	later := w.addReplays(other, 1)[0]
	began = began.Add(time.Second)
	step()
	step()
	if task, err := w.BackgroundTaskGet(t.Context(), "org_other", later); err != nil || task.Status != core.TaskFinished {
		t.Errorf("the task is %+v, %v", task, err)
	}
}
