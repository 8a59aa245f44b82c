package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// hotTenants are the tenants of the hot path's deliveries: one endpoint of the large application, or as many small
// applications with one delivery each.
var hotTenants = []hotTenant{
	{name: "of the large application", app: func(int) int { return 0 }, due: 2, leased: 3, message: 0},
	{name: "of small applications", app: func(i int) int { return 2 + i }, due: 0, leased: 1, message: fullSeed.large},
}

type hotTenant struct {
	name        string
	app         func(i int) int
	due, leased int // numbers of the endpoints with due and with leased deliveries
	message     int // number of the first message
}

func (h hotTenant) apps() []string {
	return times(hotBatch, func(i int) string { return string(seedApp(h.app(i))) })
}

func (h hotTenant) messages() []string {
	return times(hotBatch, func(i int) string { return string(seedMessage(0, h.message+i)) })
}

func (h hotTenant) endpoints(n int) []string {
	return times(hotBatch, func(i int) string { return string(seedEndpoint(h.app(i), n)) })
}

// results returns results of attempts at the leased deliveries. If failed is set, every other attempt failed.
func (h hotTenant) results(failed bool) []core.Result {
	return times(hotBatch, func(i int) core.Result {
		r := core.Result{Lease: 1, Attempt: core.Attempt{
			AppID: seedApp(h.app(i)), ID: core.AttemptID(fmt.Sprintf("%.23s%010d", core.AttemptIDAt(seedAt), i)),
			MessageID: seedMessage(0, h.message+i), EndpointID: seedEndpoint(h.app(i), h.leased), URL: "https://hooks.example/",
			ResponseStatusCode: 200, CreatedAt: seedAt,
		}}
		if failed && i%2 == 0 {
			r.Attempt.Status, r.Attempt.ResponseStatusCode = core.StatusFail, 500
			r.Attempts, r.NextAt = 1, seedAt.Add(time.Minute)
		}
		return r
	})
}

func deliveryCases() []queryCase {
	var cases []queryCase
	for _, h := range hotTenants {
		cases = append(cases, h.claimCases()...)
		cases = append(cases, h.recordCases()...)
	}
	wide, large := seedApp(1), seedApp(0)
	paced := db.EndpointPaceLockManyAnyTenantParams{
		AppIDs:      always(hotBatch, string(wide)),
		EndpointIDs: times(hotBatch, func(i int) string { return string(seedEndpoint(1, 7*i)) }),
	}
	apps := times(hotBatch, func(i int) string { return string(seedApp(2 + i)) })
	one := db.DeliveryInsertParams{MessageID: string(seedMessage(30, 8)), Now: seedAt, AppID: string(large), EndpointID: string(seedEndpoint(0, 4))}
	owed := db.DeliveryResendParams{MessageID: string(seedMessage(0, 8)), Now: seedAt, AppID: string(large), EndpointID: string(seedEndpoint(0, 2))}
	counted := db.DeliveryCountParams{AppID: large, EndpointID: seedEndpoint(0, 2), After: string(seedMessage(16, 0)), Before: afterAll}
	quiet := counted
	quiet.EndpointID = seedEndpoint(0, 0)
	return append(cases,
		query("all fresh ones", queries.DeliveryTakeManyAnyTenant, takeParams(core.Room{Total: hotBatch, PerEndpoint: hotBatch, LeasedUntil: seedAt.Add(time.Minute)}, seedAt)).onHotPath(),
		query("of a full endpoint", queries.DeliveryTakeManyAnyTenant, takeParams(core.Room{Total: hotBatch, LeasedUntil: seedAt.Add(time.Minute)}, seedAt)).about(hotBatch).onHotPath(),
		query("none ran out", queries.DeliveryExpireManyAnyTenant, db.DeliveryExpireManyAnyTenantParams{Now: seedAt, MaxRows: expireRows}).onHotPath(),
		query("all ran out", queries.DeliveryExpireManyAnyTenant, db.DeliveryExpireManyAnyTenantParams{Now: seedAt.Add(time.Hour), MaxRows: expireRows}).about(2*hotBatch).onHotPath(),
		query("nothing was passed", queries.DeliveryPassedManyAnyTenant, db.DeliveryPassedManyAnyTenantParams{Now: seedAt, MaxRows: expireRows}),
		query("announced", queries.DeliveryAnnounceAnyTenant, true),
		query("none but retries that wait", queries.DeliveryOwedListAnyTenant, owedList(seedAt, core.QueueRetry)).about(claimQueues),
		query("all queues due", queries.DeliveryOwedListAnyTenant, owedList(seedAt.Add(24*time.Hour), core.QueueFirst)).about(claimQueues),
		query("floors in all queues", queries.DeliveryOwedListAnyTenant, owedList(seedAt.Add(24*time.Hour), core.QueueRetry, floorsOf(core.QueueRetry, paced.EndpointIDs)...)).about(claimQueues),
		query("many with nothing", queries.DeliveryFirstManyAnyTenant, db.DeliveryFirstManyAnyTenantParams{
			EndpointIDs: paced.EndpointIDs, Queues: always(hotBatch, int16(core.QueueOrdered)),
		}).about(hotBatch),
		query("many", queries.DeliveryFirstManyAnyTenant, db.DeliveryFirstManyAnyTenantParams{
			EndpointIDs: paced.EndpointIDs, Queues: always(hotBatch, int16(core.QueueRetry)),
		}).about(hotBatch),
		query("behind the last queue", queries.DeliveryOwedListAnyTenant, owedList(seedAt, queueKinds)),
		query("nothing to drop", queries.DeliveryDropManyAnyTenant, db.DeliveryDropManyAnyTenantParams{EndpointIDs: paced.EndpointIDs, MaxEach: withdrawEach}).about(hotBatch),
		query("retries", queries.DeliveryDropByEndpoint, db.DeliveryDropByEndpointParams{AppID: large, EndpointID: string(seedEndpoint(0, 2)), MaxRows: core.DropMost}),
		query("lanes", queries.DeliveryDropByEndpoint, db.DeliveryDropByEndpointParams{AppID: large, EndpointID: string(seedEndpoint(0, 4)), MaxRows: core.DropMost}),
		query("a part of the lanes", queries.DeliveryDropByEndpoint, db.DeliveryDropByEndpointParams{AppID: large, EndpointID: string(seedEndpoint(0, 4)), MaxRows: 10}),
		query("nothing waits", queries.DeliveryDropByEndpoint, db.DeliveryDropByEndpointParams{AppID: large, EndpointID: string(seedEndpoint(0, 0)), MaxRows: core.DropMost}),
		query("of the large application", queries.DeliveryDropByApplication, db.DeliveryDropByApplicationParams{AppID: large, MaxRows: core.DropMost}),
		query("a part", queries.DeliveryDropByApplication, db.DeliveryDropByApplicationParams{AppID: large, MaxRows: 10}),
		query("nothing owed", queries.DeliveryDropByApplication, db.DeliveryDropByApplicationParams{AppID: seedApp(900), MaxRows: core.DropMost}),
		query("of one application", queries.EndpointPaceLockManyAnyTenant, paced),
		query("of many", queries.ApplicationPaceLockManyAnyTenant, apps),
		query("of one application", queries.EndpointPaceUpdateManyAnyTenant, db.EndpointPaceUpdateManyAnyTenantParams{
			AppIDs: paced.AppIDs, EndpointIDs: paced.EndpointIDs, ThrottledUntils: always(hotBatch, seedAt), PausedUntils: always(hotBatch, time.Time{}),
		}),
		query("of many", queries.ApplicationPaceUpdateManyAnyTenant, db.ApplicationPaceUpdateManyAnyTenantParams{IDs: apps, ThrottledUntils: always(hotBatch, seedAt)}),
		query("of the large application", queries.DeliveryInsert, one),
		query("owed already", queries.DeliveryInsert, db.DeliveryInsertParams(owed)),
		query("of the large application", queries.DeliveryResend, db.DeliveryResendParams(one)),
		query("owed already", queries.DeliveryResend, owed),
		query("of an endpoint with some", queries.DeliveryCount, counted).about(hotBatch),
		query("of an endpoint with none", queries.DeliveryCount, quiet),
		query("a page of which all are owed", queries.DeliveryDueMany, db.DeliveryDueManyParams{
			AppID: large, EndpointID: string(seedEndpoint(0, 2)), MessageIDs: hotTenants[0].messages()[:planPageRows],
		}),
		query("a page of which none is owed", queries.DeliveryDueMany, db.DeliveryDueManyParams{
			AppID: large, EndpointID: string(seedEndpoint(0, 1)), MessageIDs: hotTenants[0].messages()[:planPageRows],
		}).about(planPageRows),
	)
}

// owedList returns the parameters of a look from the beginning of the queues of a kind.
func owedList(at time.Time, kind core.QueueKind, known ...floor) db.DeliveryOwedListAnyTenantParams {
	p := (&floors{all: known}).from(core.Queue{Kind: kind}, at)
	p.AfterQueue, p.Now, p.MaxQueues = int16(kind), at, claimQueues
	return p
}

// floorsOf returns floors above everything that waits.
func floorsOf(kind core.QueueKind, endpoints []string) []floor {
	known := make([]floor, len(endpoints))
	for i, id := range endpoints {
		known[i] = floor{Queue: core.Queue{EndpointID: core.EndpointID(id), Kind: kind}, since: seedAt.AddDate(1, 0, 0)}
	}
	return known
}

func (h hotTenant) claimCases() []queryCase {
	due := slices.Compact(h.endpoints(h.due))
	claim := func(kind core.QueueKind) db.DeliveryClaimManyAnyTenantParams {
		return db.DeliveryClaimManyAnyTenantParams{
			MaxRows: hotBatch, EndpointIDs: due, Queues: always(len(due), int16(kind)), Limits: always(len(due), int32(hotBatch)),
			Sinces: always(len(due), time.Time{}), Seqs: always(len(due), int64(0)),
			Now: seedAt, Room: hotBatch, LeasedUntil: seedAt.Add(time.Minute),
		}
	}
	dropped := db.DeliveryDropUnsendableManyAnyTenantParams{
		Now: seedAt, AppIDs: h.apps(), MessageIDs: h.messages(), EndpointIDs: h.endpoints(h.due),
	}
	expired := dropped
	expired.Now = seedAt.AddDate(2, 0, 0)
	return []queryCase{
		query("retries due "+h.name, queries.DeliveryClaimManyAnyTenant, claim(core.QueueRetry)).onHotPath(),
		query("nothing due "+h.name, queries.DeliveryClaimManyAnyTenant, claim(core.QueueFirst)).about(len(due)).onHotPath(),
		query("nothing in order "+h.name, queries.DeliveryClaimManyAnyTenant, claim(core.QueueOrdered)).about(len(due)).onHotPath(),
		query("all expired "+h.name, queries.DeliveryDropUnsendableManyAnyTenant, expired),
		query("none expired "+h.name, queries.DeliveryDropUnsendableManyAnyTenant, dropped).about(hotBatch),
	}
}

func (h hotTenant) recordCases() []queryCase {
	rules := core.HealthRules{CircuitFailures: 50, CircuitWait: time.Minute, DisableAfter: 24 * time.Hour, DisableFailures: 50}
	leases := always(hotBatch, int64(1))
	release := db.DeliveryReleaseManyParams{Now: seedAt, AppIDs: h.apps(), MessageIDs: h.messages(), EndpointIDs: h.endpoints(h.leased), Leases: leases}
	lost := release
	lost.Leases = always(hotBatch, int64(7))
	return []queryCase{
		queryOf("successes "+h.name, func(ctx context.Context, conn db.DBTX) { _, _ = finish(ctx, conn, h.results(false)) }).onHotPath(),
		query("half failed "+h.name, queries.DeliveryRecordMany, recordParams(h.results(true), rules, seedAt)).onHotPath(),
		query("all held "+h.name, queries.DeliveryReleaseMany, release).onHotPath(),
		query("none held "+h.name, queries.DeliveryReleaseMany, lost).about(hotBatch).onHotPath(),
		query("all held "+h.name, queries.DeliveryPostponeMany, db.DeliveryPostponeManyParams{
			AppIDs: release.AppIDs, MessageIDs: release.MessageIDs, EndpointIDs: release.EndpointIDs, Leases: leases,
			LeasedUntils: always(hotBatch, seedAt.Add(time.Minute)), DueAts: always(hotBatch, seedAt.Add(time.Hour)),
		}).about(hotBatch).onHotPath(),
	}
}
