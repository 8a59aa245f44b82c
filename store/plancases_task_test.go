package store

import (
	"fmt"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// planBatch is how many messages a step of a task handles in these cases.
const planBatch = 100

func taskCases() []queryCase {
	large, small := seedApp(0), seedApp(2)
	id := core.TaskID("qtask_" + string(seedApp(100))[4:]) // a running task
	page := db.BackgroundTaskListAscendingParams{MaxDataBytes: 1000, OrgID: seedOrg, After: beforeAll, Before: afterAll, MaxRows: planPageRows, MaxLooked: lookedMost}
	ofApp, running, none := page, page, page
	ofApp.OnlyAppID, running.Status, none.Task = string(large), string(core.TaskRunning), string(core.TaskPurge)
	cases := []queryCase{
		query("there", queries.BackgroundTaskGet, db.BackgroundTaskGetParams{OrgID: seedOrg, ID: id}),
		query("not there", queries.BackgroundTaskGet, db.BackgroundTaskGetParams{OrgID: noOrg, ID: id}),
		query("fresh", queries.BackgroundTaskInsert, db.BackgroundTaskInsertParams{
			OrgID: seedOrg, ID: "qtask_fresh", Task: core.TaskPurge, AppID: &large, Status: core.TaskRunning, CreatedAt: seedAt, UpdatedAt: seedAt, NextAt: seedAt,
		}),
		query("some run", queries.BackgroundTaskClaimAnyTenant, db.BackgroundTaskClaimAnyTenantParams{Place: string(seedApp(0)), Now: seedAt}),
		query("after the last", queries.BackgroundTaskClaimAnyTenant, db.BackgroundTaskClaimAnyTenantParams{Place: string(seedApp(0)), After: afterAll, Now: seedAt}),
		query("some run", queries.BackgroundTaskPlaceListAnyTenant, db.BackgroundTaskPlaceListAnyTenantParams{MaxPlaces: planBatch, Now: seedAt}),
		query("none is due", queries.BackgroundTaskPlaceListAnyTenant, db.BackgroundTaskPlaceListAnyTenantParams{MaxPlaces: planBatch, Now: seedAt.AddDate(-1, 0, 0)}),
		query("one runs", queries.BackgroundTaskRunningGet, db.BackgroundTaskRunningGetParams{OrgID: seedOrg, Place: string(seedApp(100 % 3)), EndpointID: string(seedEndpoint(0, 100)), Task: core.TaskRecover}),
		query("none runs", queries.BackgroundTaskRunningGet, db.BackgroundTaskRunningGetParams{OrgID: seedOrg, Place: string(seedApp(0)), Task: core.TaskPurge}),
		query("there", queries.BackgroundTaskUpdate, db.BackgroundTaskUpdateParams{Status: core.TaskFinished, UpdatedAt: seedAt, NextAt: seedAt, OrgID: seedOrg, ID: id}),
		query("there", queries.BackgroundTaskPostpone, db.BackgroundTaskPostponeParams{Status: core.TaskRunning, UpdatedAt: seedAt, NextAt: seedAt, OrgID: seedOrg, ID: id}),
		query("a batch", queries.BackgroundTaskDeleteEndedAnyTenant, db.BackgroundTaskDeleteEndedAnyTenantParams{BeforeID: afterAll, Before: seedAt.AddDate(1, 0, 0), MaxRows: planBatch}),
		query("none is old", queries.BackgroundTaskDeleteEndedAnyTenant, db.BackgroundTaskDeleteEndedAnyTenantParams{BeforeID: beforeAll, Before: seedAt.AddDate(-1, 0, 0), MaxRows: planBatch}),
		query("of an endpoint with some", queries.DeliveryCountDue, db.DeliveryCountDueParams{AppID: large, EndpointID: seedEndpoint(0, 2), Now: seedAt, MaxRows: 1000}).about(hotBatch),
		query("of an endpoint with none", queries.DeliveryCountDue, db.DeliveryCountDueParams{AppID: large, EndpointID: seedEndpoint(0, 0), Now: seedAt, MaxRows: 1000}),
	}
	for _, list := range []struct {
		name string
		p    db.BackgroundTaskListAscendingParams
	}{{"everything matches", page}, {"of an application", ofApp}, {"running", running}, {"a kind that there is none of", none}} {
		cases = append(cases,
			query(list.name, queries.BackgroundTaskListAscending, list.p).filtering(list.p != page),
			query(list.name, queries.BackgroundTaskListDescending, db.BackgroundTaskListDescendingParams(list.p)).filtering(list.p != page),
		)
	}
	return append(append(cases, stepCases("of the large application", large, 0)...), stepCases("of a small application", small, 2)...)
}

// stepCases returns the steps of tasks, starting in the middle of all messages.
func stepCases(name string, app core.AppID, n int) []queryCase {
	first, after := string(seedAttempt(30, 0)), string(seedMessage(30, 0))
	replay := db.DeliveryReplayManyParams{
		MaxRows: planBatch, AppID: string(app), EndpointID: seedEndpoint(n, 0), FirstAttemptID: first, After: after, Before: afterAll, Now: seedAt,
		EventTypes: []string{}, Statuses: []int16{0, 2, 3},
	}
	codes := replay
	codes.CodeFrom, codes.CodeTo = 404, 404
	return []queryCase{
		query(name, queries.DeliveryRecoverMany, db.DeliveryRecoverManyParams{
			MaxRows: planBatch, AppID: app, EndpointID: string(seedEndpoint(n, 1)), FirstAttemptID: first, After: after, Before: afterAll, Now: seedAt,
		}).about(planBatch),
		query(name, queries.DeliveryReplayMany, replay).about(planBatch),
		query("a code that no attempt has "+name, queries.DeliveryReplayMany, codes).about(planBatch),
		query(name, queries.DeliveryReplayMissingMany, db.DeliveryReplayMissingManyParams{
			MaxRows: planBatch, Now: seedAt, AppID: app, After: after, Before: afterAll, EndpointID: seedEndpoint(n, min(n, 1)), FirstAttemptID: first,
		}).about(planBatch),
		query(name, queries.MessagePurgeMany, db.MessagePurgeManyParams{MaxRows: planBatch, AppID: app, After: after, Before: afterAll}).about(planBatch),
		query(name, queries.DestinationCountMany, db.DestinationCountManyParams{MaxRows: planBatch, AppID: app, After: after, Before: afterAll, FirstAttemptID: first}).about(planBatch),
	}
}

func laneCases() []queryCase {
	lanes := db.DeliveryFollowManyAnyTenantParams{
		EndpointIDs: always(planBatch, string(seedEndpoint(0, 4))),
		Subjects:    times(planBatch, func(i int) string { return fmt.Sprintf("subject-%d", i) }), Now: seedAt,
	}
	none := lanes
	none.EndpointIDs = always(planBatch, string(seedEndpoint(0, 0)))
	sequence := func(h hotTenant) db.DeliverySequenceManyAnyTenantParams {
		return db.DeliverySequenceManyAnyTenantParams{
			AppIDs: h.apps(), MessageIDs: h.messages(), Subjects: always(hotBatch, "subject"), Places: times(hotBatch, func(i int) int64 { return int64(i) }),
		}
	}
	return []queryCase{
		query("all lanes wait", queries.DeliveryLaneListAnyTenant, db.DeliveryLaneListAnyTenantParams{MaxLanes: planBatch}).about(planBatch),
		query("after the last", queries.DeliveryLaneListAnyTenant, db.DeliveryLaneListAnyTenantParams{MaxLanes: planBatch, AfterEndpointID: afterAll}),
		query("a hundred lanes", queries.DeliveryFollowManyAnyTenant, lanes).about(planBatch),
		query("no such lanes", queries.DeliveryFollowManyAnyTenant, none).about(planBatch),
		query(hotTenants[0].name, queries.DeliverySequenceManyAnyTenant, sequence(hotTenants[0])),
		query(hotTenants[1].name, queries.DeliverySequenceManyAnyTenant, sequence(hotTenants[1])),
	}
}

func eventCases() []queryCase {
	insert := db.OperationalEventInsertParams{OrgID: string(seedOrg), Type: "endpoint.disabled", Payload: "{}", OperationalOrgID: string(core.OperationalOrg)}
	other := insert
	other.OrgID = string(noOrg)
	var events attemptEvents
	h := hotTenants[1]
	for _, r := range h.results(true) {
		events.add("message.attempt.failing", r.Attempt.MessageID, r.Attempt)
	}
	events.OperationalOrgID = string(core.OperationalOrg)
	return []queryCase{
		query("wanted", queries.OperationalEventInsert, insert),
		query("nobody wants it", queries.OperationalEventInsert, other),
		query("a batch", queries.OperationalEventTakeManyAnyTenant, int32(planBatch)),
		query(h.name, queries.OperationalEventRecordManyAnyTenant, db.OperationalEventRecordManyAnyTenantParams(events)).about(hotBatch),
	}
}

func outboxCases() []queryCase {
	ids := times(planBatch, func(i int) int64 { return int64(1 + 7*i) })
	return []queryCase{
		query("from the first", queries.OutboxListAnyTenant, db.OutboxListAnyTenantParams{MaxRows: planBatch}),
		query("after the last", queries.OutboxListAnyTenant, db.OutboxListAnyTenantParams{FromID: 1_000_000, MaxRows: planBatch}),
		query("after the last, nothing came late", queries.OutboxListAnyTenant, db.OutboxListAnyTenantParams{FromID: 1_000_000, MaxRows: planBatch, Seen: "999999999:999999999:"}),
		query("up to two batches", queries.OutboxCountAnyTenant, int32(2*planBatch)),
		query("a batch", queries.OutboxGetManyAnyTenant, ids),
		query("a batch", queries.OutboxLockManyAnyTenant, ids),
		query("a batch", queries.OutboxDeleteManyAnyTenant, ids),
		query("a batch", queries.OutboxDeadLetterManyAnyTenant, db.OutboxDeadLetterManyAnyTenantParams{Now: seedAt, IDs: ids, Reasons: always(planBatch, "no such application")}),
	}
}
