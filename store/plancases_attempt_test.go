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
	counted := func(app core.AppID, endpoint core.EndpointID) db.AttemptCountParams {
		return db.AttemptCountParams{AppID: app, EndpointID: endpoint, After: string(seedAttempt(16, 0)), Before: afterAll}
	}
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
		query("four weeks of all attempts", queries.AttemptCount, counted(large, seedEndpoint(0, 0))),
		query("four weeks of a small application", queries.AttemptCount, counted(small, seedEndpoint(2, 0))),
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
