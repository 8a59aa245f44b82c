package store

import (
	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func attemptCases() []queryCase {
	large, small := seedApp(0), seedApp(2)
	get := db.AttemptGetParams{AppID: large, MessageID: seedMessage(30, 8), ID: seedAttempt(30, 17)}
	missing := get
	missing.ID = seedAttempt(30, 99)
	var cases []queryCase
	for _, list := range []struct {
		name   string
		change func(*db.AttemptListByEndpointAscendingParams)
	}{
		{"everything matches", func(*db.AttemptListByEndpointAscendingParams) {}},
		{"from the middle", func(p *db.AttemptListByEndpointAscendingParams) {
			p.After, p.Before = string(seedAttempt(30, 0)), string(seedAttempt(20, 0))
		}},
		{"what failed", func(p *db.AttemptListByEndpointAscendingParams) {
			p.Statuses, p.EndpointID = []int16{2}, seedEndpoint(0, 1)
		}},
		{"a code that no attempt has", func(p *db.AttemptListByEndpointAscendingParams) { p.CodeFrom, p.CodeTo = 204, 204 }},
		{"an event type of one message in fifty", func(p *db.AttemptListByEndpointAscendingParams) { p.EventTypes = []string{"type.3"} }},
		{"a rare event type", func(p *db.AttemptListByEndpointAscendingParams) { p.EventTypes = []string{"rare"} }},
		{"a channel that no message has", func(p *db.AttemptListByEndpointAscendingParams) { p.Channel = "none" }},
		{"of a small application", func(p *db.AttemptListByEndpointAscendingParams) { p.AppID, p.EndpointID = small, seedEndpoint(2, 0) }},
		{"of an endpoint without any", func(p *db.AttemptListByEndpointAscendingParams) { p.EndpointID = seedEndpoint(0, 4) }},
	} {
		p := db.AttemptListByEndpointAscendingParams{
			Statuses: []int16{0, 2}, AppID: large, EndpointID: seedEndpoint(0, 0), After: beforeAll, Before: afterAll, EventTypes: []string{},
			MaxRows: planPageRows, MaxLooked: lookedMost,
		}
		list.change(&p)
		filters := p.CodeTo > 0 || p.Channel != "" || len(p.EventTypes) > 0
		if p.Channel != "" || len(p.EventTypes) > 0 {
			p.MaxLooked = lookedUpMost
		}
		cases = append(cases,
			query(list.name, queries.AttemptListByEndpointAscending, p).filtering(filters),
			query(list.name, queries.AttemptListByEndpointDescending, db.AttemptListByEndpointDescendingParams(p)).filtering(filters),
		)
	}
	cases = append(cases, attemptsOfMessageCases(large)...)
	return append(cases,
		query("of the large application", queries.AttemptGet, get),
		query("not there", queries.AttemptGet, missing),
		query("of the large application", queries.AttemptExpunge, db.AttemptExpungeParams{AppID: get.AppID, MessageID: get.MessageID, ID: get.ID}),
	)
}

func attemptsOfMessageCases(large core.AppID) []queryCase {
	var cases []queryCase
	for _, list := range []struct {
		name string
		p    db.AttemptListByMessageAscendingParams
	}{
		{"of the large application", db.AttemptListByMessageAscendingParams{MessageID: seedMessage(30, 8)}},
		{"at one endpoint", db.AttemptListByMessageAscendingParams{MessageID: seedMessage(30, 8), EndpointID: string(seedEndpoint(0, 1))}},
		{"another event type", db.AttemptListByMessageAscendingParams{MessageID: seedMessage(30, 8), EventTypes: []string{"rare"}}},
		{"no such message", db.AttemptListByMessageAscendingParams{MessageID: seedMessage(30, 9999)}},
	} {
		name, p := list.name, list.p
		p.AppID, p.Statuses, p.Before, p.EventTypes, p.MaxRows = large, []int16{0, 2}, afterAll, some(p.EventTypes), planPageRows
		p.MaxLooked = lookedMost
		cases = append(cases,
			query(name, queries.AttemptListByMessageAscending, p),
			query(name, queries.AttemptListByMessageDescending, db.AttemptListByMessageDescendingParams(p)),
		)
	}
	return cases
}

func attemptCountCases() []queryCase {
	large, small := seedApp(0), seedApp(2)
	step := func(app core.AppID, endpoint core.EndpointID) db.AttemptCountManyParams {
		return db.AttemptCountManyParams{AppID: app, EndpointID: endpoint, After: string(seedAttempt(30, 0)), Before: afterAll, MaxRows: countStep, Each: countEach}
	}
	edges := countEdges(seedAt.AddDate(0, 0, -28), seedAt)
	look := db.AttemptCountKeptManyParams{AppID: large, EndpointID: seedEndpoint(0, 0)}
	for i, e := range edges {
		look.Ns = append(look.Ns, int32(i))
		look.Partitions = append(look.Partitions, e.partition)
		look.AfterIDs = append(look.AfterIDs, string(e.first))
		look.UntilIDs = append(look.UntilIDs, string(e.until))
	}
	none := look
	none.EndpointID = seedEndpoint(0, 4)
	ids := times(countStep/countEach, func(i int) string { return string(seedAttempt(30, i)) })
	forget, _ := countDelete(core.Attempt{AppID: large, EndpointID: seedEndpoint(0, 0), ID: seedAttempt(30, 0)})
	pages := db.AttemptCountDeleteManyAnyTenantParams{FromPage: 0, ToPage: 2, BeforeID: string(seedAttempt(30, 0))}
	nothing := pages
	nothing.BeforeID = string(seedAttempt(99, 0))
	return []queryCase{
		query("a step of many attempts", queries.AttemptCountMany, step(large, seedEndpoint(0, 0))).reading(2 * countStep),
		query("a step where all failed", queries.AttemptCountMany, step(large, seedEndpoint(0, 1))).reading(2 * countStep),
		query("of a small application", queries.AttemptCountMany, step(small, seedEndpoint(2, 0))),
		query("28 days", queries.AttemptCountKeptMany, look),
		query("28 days of which none is kept", queries.AttemptCountKeptMany, none).about(len(edges)),
		query("a step", queries.AttemptCountInsertMany, db.AttemptCountInsertManyParams{
			AppID: large, EndpointID: seedEndpoint(0, 0), PartitionOID: 1, UntilIDs: ids,
			Succeeded: always(len(ids), int64(1)), Failed: always(len(ids), int64(1)),
		}),
		query("of a day", queries.AttemptCountDelete, forget),
		query("some pages", queries.AttemptCountDeleteManyAnyTenant, pages).reading(rowsAtMost),
		query("some pages, nothing old", queries.AttemptCountDeleteManyAnyTenant, nothing).reading(rowsAtMost),
	}
}
