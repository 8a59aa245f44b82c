package store

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// begins has a function for each kind of task that begins it for the same endpoint, application and organisation.
var begins = map[core.TaskKind]func(context.Context, *core.Service, core.Endpoint) (core.BackgroundTask, error){
	core.TaskRecover: func(ctx context.Context, s *core.Service, e core.Endpoint) (core.BackgroundTask, error) {
		return s.EndpointRecover(ctx, orgScope, string(e.AppID), string(e.ID), core.PeriodIn{Since: past()})
	},
	core.TaskReplayMissing: func(ctx context.Context, s *core.Service, e core.Endpoint) (core.BackgroundTask, error) {
		return s.EndpointReplayMissing(ctx, orgScope, string(e.AppID), string(e.ID), core.PeriodIn{Since: past()})
	},
	core.TaskBulkReplay: func(ctx context.Context, s *core.Service, e core.Endpoint) (core.BackgroundTask, error) {
		return s.EndpointBulkReplay(ctx, orgScope, string(e.AppID), string(e.ID), core.ReplayIn{PeriodIn: core.PeriodIn{Since: past()}})
	},
	core.TaskPurge: func(ctx context.Context, s *core.Service, e core.Endpoint) (core.BackgroundTask, error) {
		return s.MessageExpungeAll(ctx, orgScope, string(e.AppID))
	},
	core.TaskUsageApp: func(ctx context.Context, s *core.Service, _ core.Endpoint) (core.BackgroundTask, error) {
		t, _, err := s.StatsUsageApp(ctx, orgScope, core.UsageIn{Since: past(), Until: now()})
		return t, err
	},
	core.TaskUsageEventTypes: func(ctx context.Context, s *core.Service, _ core.Endpoint) (core.BackgroundTask, error) {
		return s.StatsUsageEventTypes(ctx, orgScope)
	},
}

func TestTasksThatBeginAtOnceAreOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	other := openStore(t, w.pool.Config().ConnString(), nil) // another process
	for kind, begin := range begins {
		var begun []core.BackgroundTask
		var refusals []string
		var mu sync.Mutex
		var clients sync.WaitGroup
		for _, store := range []*Store{w.Store, other, w.Store, other} {
			s := w.serviceOn(store, time.Now)
			clients.Go(func() {
				task, err := begin(t.Context(), s, e)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					begun = append(begun, task)
				case core.IsKind(err, core.KindConflict):
					refusals = append(refusals, err.Error())
				default:
					t.Errorf("%s: %v", kind, err)
				}
			})
		}
		clients.Wait()
		if len(begun) != 1 {
			t.Fatalf("%s: %d began", kind, len(begun))
		}
		for _, text := range refusals {
			if !strings.Contains(text, string(begun[0].ID)) {
				t.Errorf("%s: refused with %q, want it to name %s", kind, text, begun[0].ID)
			}
		}
	}
	w.steps(w.tasks())
	for kind, begin := range begins {
		if _, err := begin(t.Context(), w.service(), e); err != nil {
			t.Errorf("%s after it has ended: %v", kind, err)
		}
	}
}

// ending is a store in which a running task ends just before it is looked up.
type ending struct {
	*Store
	end func()
}

func (e ending) BackgroundTaskRunningGet(ctx context.Context, t core.BackgroundTask) (core.TaskID, error) {
	e.end()
	return e.Store.BackgroundTaskRunningGet(ctx, t)
}

func TestTaskBeginsIfItsTwinEndsMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.recovers(e, past())
	s := w.serviceOn(ending{w.Store, func() { w.exec("UPDATE background_task SET status = 'finished'") }}, time.Now)
	if _, err := begins[core.TaskRecover](t.Context(), s, e); err != nil {
		t.Error(err)
	}
}

func TestTasksThatRanAtOnceBeforeGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	url := w.pool.Config().ConnString()
	const oneOfAKind = "20261129001003_run_one_task_of_a_kind_at_a_time.sql"
	for w.applied(oneOfAKind) {
		if err := MigrateDown(t.Context(), Database{URL: url}); err != nil {
			t.Fatal(err)
		}
	}
	w.pool.Reset()
	var before []core.TaskID
	for range 2 {
		for _, begin := range begins {
			task, err := begin(t.Context(), w.service(), e)
			if err != nil {
				t.Fatal(err)
			}
			before = append(before, task.ID)
		}
	}
	if err := Migrate(t.Context(), Database{URL: url}); err != nil {
		t.Fatal(err)
	}
	w.pool.Reset()
	for kind, begin := range begins {
		if _, err := begin(t.Context(), w.service(), e); !core.IsKind(err, core.KindConflict) {
			t.Errorf("%s began beside others: %v", kind, err)
		}
	}
	w.steps(w.tasks())
	for _, id := range before {
		if task := w.task(id); task.Status != core.TaskFinished {
			t.Errorf("%s is %s", task.Task, task.Status)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM background_task WHERE duplicate"); n != len(begins) {
		t.Errorf("%d are duplicates, want one of each kind", n)
	}
}

// applied reports whether a migration is applied.
func (w *world) applied(file string) bool {
	w.t.Helper()
	list, err := MigrateStatus(w.t.Context(), Database{URL: w.pool.Config().ConnString()})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range list {
		if m.File == file {
			return m.Applied
		}
	}
	w.t.Fatalf("there is no %s", file)
	return false
}
