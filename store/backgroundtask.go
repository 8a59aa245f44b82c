package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// taskDataListed is the maximum size of a task's data in a list, in bytes, compressed as stored. A page holds 250
// tasks.
const taskDataListed = 16 << 10

func (r reader) BackgroundTaskGet(ctx context.Context, org core.OrgID, id core.TaskID) (core.BackgroundTask, error) {
	row, err := queries.BackgroundTaskGet(ctx, r.conn, db.BackgroundTaskGetParams{OrgID: org, ID: id})
	return core.BackgroundTask(row), mapError(err)
}

func (r reader) BackgroundTaskRunningGet(ctx context.Context, t core.BackgroundTask) (core.TaskID, error) {
	endpoint := ""
	if t.EndpointID != nil {
		endpoint = string(*t.EndpointID)
	}
	id, err := queries.BackgroundTaskRunningGet(ctx, r.conn, db.BackgroundTaskRunningGetParams{
		OrgID: t.OrgID, Task: t.Task, Place: t.Place().ID, EndpointID: endpoint,
	})
	return id, mapError(err)
}

func (r reader) BackgroundTaskPlaceList(ctx context.Context, after string, most int, now time.Time) (places []core.TaskPlace, next string, err error) {
	rows, err := queries.BackgroundTaskPlaceListAnyTenant(ctx, r.conn, db.BackgroundTaskPlaceListAnyTenantParams{
		After: after, MaxPlaces: int32(most), Now: now,
	})
	for _, row := range rows {
		if row.Due {
			places = append(places, core.TaskPlace{OrgID: core.OrgID(row.OrgID), ID: row.Place})
		}
		if int(row.N) == most {
			next = row.Place
		}
	}
	return places, next, mapError(err)
}

func (r reader) BackgroundTaskList(ctx context.Context, org core.OrgID, filter core.BackgroundTaskFilter, page core.Page) ([]core.BackgroundTask, string, error) {
	p := db.BackgroundTaskListAscendingParams{
		OrgID: org, OnlyAppID: string(filter.AppID), Status: string(filter.Status), Task: string(filter.Task),
		After: page.After, Before: page.Before, MaxRows: int32(page.Limit), MaxDataBytes: taskDataListed,
		MaxLooked: look(page, lookedMost),
	}
	conn := meter(r.listing())
	var rows []db.BackgroundTaskListAscendingRow
	var err error
	if page.Descending {
		var descending []db.BackgroundTaskListDescendingRow
		descending, err = queries.BackgroundTaskListDescending(ctx, conn, db.BackgroundTaskListDescendingParams(p))
		for _, row := range descending {
			rows = append(rows, db.BackgroundTaskListAscendingRow(row))
		}
	} else {
		rows, err = queries.BackgroundTaskListAscending(ctx, conn, p)
	}
	rows, ended, err := paged(conn, taskKey)(looked(rows, err, func(row db.BackgroundTaskListAscendingRow) (db.BackgroundTaskListAscendingRow, bool, string) {
		return row, row.Matches, row.Ended
	}))
	tasks := make([]core.BackgroundTask, len(rows))
	for i := range rows {
		if err == nil {
			tasks[i], err = backgroundTask(rows[i])
		}
	}
	return tasks, ended, err
}

func backgroundTask(row db.BackgroundTaskListAscendingRow) (core.BackgroundTask, error) {
	var data core.TaskData
	if err := json.Unmarshal(row.Data, &data); err != nil {
		return core.BackgroundTask{}, fmt.Errorf("data of task %s: %w", row.ID, err)
	}
	return core.BackgroundTask{
		OrgID: row.OrgID, ID: row.ID, Task: row.Task, AppID: row.AppID, EndpointID: row.EndpointID,
		Parameters: row.Parameters, Status: row.Status, Cursor: row.Cursor, Processed: row.Processed, Data: data,
		Failures: row.Failures, Error: row.Error, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, NextAt: row.NextAt,
	}, nil
}

func (t tx) BackgroundTaskInsert(ctx context.Context, task core.BackgroundTask) error {
	return wrote(queries.BackgroundTaskInsert(ctx, t.conn, db.BackgroundTaskInsertParams(task)))
}

func (t tx) BackgroundTaskClaim(ctx context.Context, place core.TaskPlace, after core.TaskID, now time.Time) (core.BackgroundTask, error) {
	row, err := queries.BackgroundTaskClaimAnyTenant(ctx, t.conn, db.BackgroundTaskClaimAnyTenantParams{
		Place: place.ID, After: string(after), Now: now,
	})
	return core.BackgroundTask(row), mapError(err)
}

func (t tx) BackgroundTaskUpdate(ctx context.Context, task core.BackgroundTask) error {
	return wrote(queries.BackgroundTaskUpdate(ctx, t.conn, db.BackgroundTaskUpdateParams{
		OrgID: task.OrgID, ID: task.ID, Status: task.Status, Cursor: task.Cursor, Processed: task.Processed,
		Data: task.Data, Failures: task.Failures, Error: task.Error, UpdatedAt: task.UpdatedAt, NextAt: task.NextAt,
	}))
}

func (t tx) BackgroundTaskPostpone(ctx context.Context, task core.BackgroundTask) (bool, error) {
	postponed, err := queries.BackgroundTaskPostpone(ctx, t.conn, db.BackgroundTaskPostponeParams{
		OrgID: task.OrgID, ID: task.ID, Cursor: task.Cursor, Status: task.Status, Failures: task.Failures,
		Error: task.Error, UpdatedAt: task.UpdatedAt, NextAt: task.NextAt,
	})
	return postponed == 1, mapError(err)
}

var _ core.TaskCleaner = (*Store)(nil)

// BackgroundTaskDeleteEnded deletes up to most tasks that ended before the given time.
func (s *Store) BackgroundTaskDeleteEnded(ctx context.Context, before time.Time, most int) (int64, error) {
	deleted, err := queries.BackgroundTaskDeleteEndedAnyTenant(ctx, s.pools.jobs, db.BackgroundTaskDeleteEndedAnyTenantParams{
		BeforeID: string(core.TaskIDAt(before)), Before: before, MaxRows: int32(most),
	})
	return deleted, mapError(err)
}
