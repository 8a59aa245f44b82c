package coretest

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// BackgroundTaskInsert implements [core.Tx].
func (s *Store) BackgroundTaskInsert(ctx context.Context, t core.BackgroundTask) error {
	_, err := s.BackgroundTaskRunningGet(ctx, t)
	if s.BeforeInsert != nil {
		s.BeforeInsert()
	}
	if err == nil {
		return core.AnotherTaskRuns()
	}
	s.Tasks = append(s.Tasks, t)
	return nil
}

// BackgroundTaskRunningGet implements [core.Tx].
func (s *Store) BackgroundTaskRunningGet(_ context.Context, t core.BackgroundTask) (core.TaskID, error) {
	same := func(a, b *core.EndpointID) bool { return a == b || a != nil && b != nil && *a == *b }
	running, err := get(s.Tasks, func(other core.BackgroundTask) bool {
		return other.Status == core.TaskRunning && other.Task == t.Task && other.Place() == t.Place() && same(other.EndpointID, t.EndpointID)
	})
	return running.ID, err
}

// BackgroundTaskGet implements [core.Tx].
func (s *Store) BackgroundTaskGet(_ context.Context, org core.OrgID, id core.TaskID) (core.BackgroundTask, error) {
	return get(s.Tasks, func(t core.BackgroundTask) bool { return t.OrgID == org && t.ID == id })
}

// BackgroundTaskList implements [core.Tx].
func (s *Store) BackgroundTaskList(
	_ context.Context, org core.OrgID, filter core.BackgroundTaskFilter, page core.Page,
) ([]core.BackgroundTask, string, error) {
	rows := where(s.Tasks, func(t core.BackgroundTask) bool {
		return t.OrgID == org && (filter.AppID == "" || t.AppID != nil && *t.AppID == filter.AppID) &&
			(filter.Status == "" || t.Status == filter.Status) && (filter.Task == "" || t.Task == filter.Task)
	})
	return paged(rows, page, func(t core.BackgroundTask) string { return string(t.ID) }), "", nil
}

// BackgroundTaskPlaceList implements [core.Tx]. It lists all places at once.
func (s *Store) BackgroundTaskPlaceList(_ context.Context, _ string, _ int, now time.Time) (places []core.TaskPlace, next string, _ error) {
	for _, t := range s.Tasks {
		if mayStep(t, now) && !slices.Contains(places, t.Place()) {
			places = append(places, t.Place())
		}
	}
	return places, "", nil
}

func mayStep(t core.BackgroundTask, now time.Time) bool {
	return t.Status == core.TaskRunning && !t.NextAt.After(now)
}

// BackgroundTaskClaim implements [core.Tx].
func (s *Store) BackgroundTaskClaim(_ context.Context, place core.TaskPlace, after core.TaskID, now time.Time) (core.BackgroundTask, error) {
	t, err := get(s.Tasks, func(t core.BackgroundTask) bool { return t.Place() == place && t.ID > after && mayStep(t, now) })
	if err != nil {
		return t, err
	}
	// A step changes the data in place. As in the database, only an update stores that.
	text, err := json.Marshal(t.Data)
	if err != nil {
		return t, err
	}
	t.Data = core.TaskData{}
	return t, json.Unmarshal(text, &t.Data)
}

// BackgroundTaskUpdate implements [core.Tx].
func (s *Store) BackgroundTaskUpdate(_ context.Context, t core.BackgroundTask) error {
	i, err := find(s.Tasks, func(other core.BackgroundTask) bool { return other.ID == t.ID })
	if err == nil {
		s.Tasks[i] = t
	}
	return err
}

// BackgroundTaskPostpone implements [core.Tx].
func (s *Store) BackgroundTaskPostpone(_ context.Context, t core.BackgroundTask) (bool, error) {
	i := slices.IndexFunc(s.Tasks, func(other core.BackgroundTask) bool {
		return other.ID == t.ID && other.Status == core.TaskRunning && other.Cursor == t.Cursor
	})
	if i < 0 {
		return false, nil
	}
	s.Tasks[i] = t
	return true, nil
}
