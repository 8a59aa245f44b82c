package core

import (
	"context"
	"slices"
	"strings"
	"time"
)

// UsageIn is a client's request for usage statistics.
type UsageIn struct {
	Since, Until time.Time
	AppRefs      []string // ids and uids; nil: all applications
}

// usageAppsMost bounds how many applications of a request one task stores.
const usageAppsMost = 10_000

func (in UsageIn) validate() error {
	var c checks
	c.body(!in.Since.After(in.Until), "since must not be after until", "since")
	c.body(len(in.AppRefs) <= usageAppsMost, "appIds may hold at most 10000 applications", "appIds")
	for _, ref := range in.AppRefs {
		if c.text(ref, "appIds"); c.err() != nil {
			break
		}
	}
	return c.err()
}

// StatsUsageApp starts a task that counts the messages of a period by application. It also returns the requested
// applications that do not exist.
func (s *Service) StatsUsageApp(ctx context.Context, scope Scope, in UsageIn) (BackgroundTask, []string, error) {
	if err := scope.org(); err != nil {
		return BackgroundTask{}, nil, err
	}
	if err := in.validate(); err != nil {
		return BackgroundTask{}, nil, err
	}
	ids, unresolved, err := s.resolve(ctx, scope.OrgID, in.AppRefs)
	if err != nil {
		return BackgroundTask{}, nil, err
	}
	t := newTask(scope.OrgID, TaskUsageApp, s.now())
	t.Parameters = TaskParameters{Since: past(in.Since, t.CreatedAt), Until: past(in.Until, t.CreatedAt), AppIDs: ids}
	t.Data.AppStats = []AppUsage{}
	t, err = s.taskInsert(ctx, t)
	return t, unresolved, err
}

// past returns at if an id created before now can have that time, and the nearest such time otherwise.
func past(at, now time.Time) time.Time {
	first := time.Unix(ksuidEpoch, 0)
	switch {
	case at.After(now):
		return now
	case at.Before(first):
		at = first
	}
	return at.UTC()
}

// resolve returns the ids of applications, sorted and without duplicates.
func (s *Service) resolve(ctx context.Context, org OrgID, refs []string) (ids []AppID, unresolved []string, err error) {
	if len(refs) == 0 {
		return nil, nil, nil
	}
	known, err := s.store.ApplicationResolveMany(ctx, org, refs)
	if err != nil {
		return nil, nil, err
	}
	for _, ref := range refs {
		if id, ok := known[ref]; ok {
			ids = append(ids, id)
		} else {
			unresolved = append(unresolved, ref)
		}
	}
	if ids == nil {
		return nil, nil, Invalid("None of these applications exists", "body", "appIds")
	}
	slices.Sort(ids)
	return slices.Compact(ids), unresolved, nil
}

// StatsUsageEventTypes starts a task that lists the event types that each application subscribes to.
func (s *Service) StatsUsageEventTypes(ctx context.Context, scope Scope) (BackgroundTask, error) {
	if err := scope.org(); err != nil {
		return BackgroundTask{}, err
	}
	t := newTask(scope.OrgID, TaskUsageEventTypes, s.now())
	t.Data.EventTypes = []AppEventTypes{}
	return s.taskInsert(ctx, t)
}

// countUsage counts the destinations of the next applications, up to the first one with more messages than are
// counted at once. The cursor is the last application that is done, followed by the last message that is done in the
// application after it.
func (t *BackgroundTask) countUsage(ctx context.Context, tx Tx) error {
	done, after, _ := strings.Cut(t.Cursor, " ")
	apps, end, err := t.applications(ctx, tx, done)
	if err != nil {
		return err
	}
	for _, app := range apps {
		usage, begun := t.usage(app)
		if !begun {
			after = "" // it may be from an application that has been deleted
		}
		batch, err := tx.DestinationCountMany(ctx, app.ID, t.messages(after, taskUsageMessages))
		if err != nil {
			return err
		}
		t.Processed += batch.Processed
		usage.MessageDestinations += batch.Done
		if batch.NextAfter != "" {
			t.Cursor = done + " " + batch.NextAfter
			return nil
		}
		done = string(app.ID)
	}
	t.moveOn(end)
	return nil
}

// usage returns the application's line of the statistics, and whether an earlier step began it.
func (t *BackgroundTask) usage(app Application) (*AppUsage, bool) {
	all := &t.Data.AppStats
	begun := len(*all) > 0 && (*all)[len(*all)-1].AppID == app.ID
	if !begun {
		*all = append(*all, AppUsage{AppID: app.ID, AppUID: app.UID})
	}
	return &(*all)[len(*all)-1], begun
}

// listEventTypes lists the event types of the next applications.
func (t *BackgroundTask) listEventTypes(ctx context.Context, tx Tx) error {
	apps, end, err := t.applications(ctx, tx, t.Cursor)
	if err != nil {
		return err
	}
	ids := make([]AppID, len(apps))
	for i, app := range apps {
		ids[i] = app.ID
	}
	types, err := tx.ApplicationEventTypesMany(ctx, ids)
	if err != nil {
		return err
	}
	t.Data.EventTypes = append(t.Data.EventTypes, types...)
	t.moveOn(end)
	return nil
}

// applications returns the next applications of the task, and the cursor after them, which is empty if they are the
// last.
func (t *BackgroundTask) applications(ctx context.Context, tx Tx, done string) (apps []Application, end string, err error) {
	ids := t.Parameters.AppIDs
	if ids == nil {
		apps, end, err = tx.ApplicationList(ctx, t.OrgID, Page{After: done, Before: lastKey, Limit: taskApplications})
		if len(apps) == taskApplications {
			end = string(apps[len(apps)-1].ID)
		}
		return apps, end, err
	}
	first, found := slices.BinarySearch(ids, AppID(done))
	if found {
		first++
	}
	if ids = ids[first:]; len(ids) > taskApplications {
		ids = ids[:taskApplications]
		end = string(ids[taskApplications-1])
	}
	for _, id := range ids {
		app, err := tx.ApplicationGet(ctx, t.OrgID, string(id))
		switch {
		case err == nil:
			apps = append(apps, app)
		case !IsKind(err, KindNotFound): // deleted applications are left out
			return nil, "", err
		}
	}
	return apps, end, nil
}

// moveOn moves the cursor, and ends the task if there is nothing after it.
func (t *BackgroundTask) moveOn(cursor string) {
	t.Cursor = cursor
	if cursor == "" {
		t.Status = TaskFinished
	}
}
