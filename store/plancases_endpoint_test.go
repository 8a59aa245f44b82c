package store

import (
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func endpointCases() []queryCase {
	large, wide := seedApp(0), seedApp(1)
	id := seedEndpoint(1, 9)
	page := db.EndpointListAscendingParams{AppID: wide, After: beforeAll, Before: afterAll, MaxRows: planPageRows, MaxLooked: lookedMost}
	small := page
	small.AppID = seedApp(2)
	update := func(app core.AppID, id core.EndpointID, disabled bool) db.EndpointUpdateParams {
		return db.EndpointUpdateParams{
			URL: "https://hooks.example/", Headers: core.Headers{}, Secret: []byte{1}, Version: 1, Disabled: disabled,
			Metadata: core.Metadata{}, UpdatedAt: seedAt, AppID: app, ID: id,
		}
	}
	wanted := func(app core.AppID, eventType string) db.EndpointWantedParams {
		return db.EndpointWantedParams{AppID: app, EventType: eventType, Channels: []string{}}
	}
	return []queryCase{
		query("by id, of 2,000", queries.EndpointGet, db.EndpointGetParams{AppID: wide, Ref: string(id)}),
		query("by uid, of 2,000", queries.EndpointGet, db.EndpointGetParams{AppID: wide, Ref: "endpoint-9"}),
		query("not there", queries.EndpointGet, db.EndpointGetParams{AppID: wide, Ref: "none"}),
		query("of a small application", queries.EndpointGet, db.EndpointGetParams{AppID: seedApp(2), Ref: "endpoint-1"}),
		query("by id, of 2,000", queries.EndpointLock, db.EndpointLockParams{AppID: wide, Ref: string(id)}),
		query("by uid, of 2,000", queries.EndpointLock, db.EndpointLockParams{AppID: wide, Ref: "endpoint-9"}),
		query("of 2,000", queries.EndpointListAscending, page),
		query("of 2,000", queries.EndpointListDescending, db.EndpointListDescendingParams(page)),
		query("of a small application", queries.EndpointListAscending, small),
		query("of a small application", queries.EndpointListDescending, db.EndpointListDescendingParams(small)),
		query("any", queries.EndpointInsertLock, string(wide)),
		query("of 2,000", queries.EndpointCount, db.EndpointCountParams{AppID: wide, Most: 200}),
		query("of a small application", queries.EndpointCount, db.EndpointCountParams{AppID: seedApp(2), Most: 200}),
		query("fresh", queries.EndpointInsert, db.EndpointInsertParams{
			AppID: wide, ID: seedEndpoint(1, 999_999), UID: new("fresh"), URL: "https://hooks.example/", Version: 1, Secret: []byte{1}, Headers: core.Headers{},
			Metadata: core.Metadata{}, CreatedAt: seedAt, UpdatedAt: seedAt, OldSecrets: [][]byte{}, OldSecretsExpireAt: []time.Time{},
		}),
		query("of 2,000", queries.EndpointUpdate, update(wide, id, false)),
		query("of the large application", queries.EndpointUpdate, update(large, seedEndpoint(0, 2), true)),
		query("of 2,000", queries.EndpointUpdateSecret, db.EndpointUpdateSecretParams{Headers: core.Headers{}, Secret: []byte{1}, OldSecrets: [][]byte{}, OldSecretsExpireAt: []time.Time{}, UpdatedAt: seedAt, AppID: wide, ID: id}),
		query("of 2,000", queries.EndpointHeadersUpdate, db.EndpointHeadersUpdateParams{Headers: core.Headers{}, Secret: []byte{1}, UpdatedAt: seedAt, AppID: wide, ID: id}),
		// The endpoints of one application are read as they are when a message is stored.
		query("by four of 2,000", queries.EndpointWanted, wanted(wide, "type.499")).reading(fullSeed.wide),
		query("by none of 2,000", queries.EndpointWanted, wanted(wide, "none")).reading(fullSeed.wide),
		query("by all", queries.EndpointWanted, wanted(large, "type.1")),
		query("of 2,000", queries.EndpointDelete, db.EndpointDeleteParams{Now: seedAt, AppID: wide, ID: id}),
	}
}

func destinationCases() []queryCase {
	large, small := seedApp(0), seedApp(2)
	first := func(instant int) string { return string(seedAttempt(instant, 0)) }
	page := db.DestinationListAscendingParams{AppID: large, MessageID: string(seedMessage(30, 8)), FirstAttemptID: first(30), After: beforeAll, Before: afterAll, MaxRows: planPageRows, MaxLooked: lookedAttemptsMost}
	owed, none := page, page
	owed.MessageID, owed.FirstAttemptID = string(seedMessage(0, 8)), first(0)
	none.MessageID = string(seedMessage(30, 9999))
	cases := []queryCase{
		query("attempted at two", queries.DestinationListAscending, page),
		query("attempted at two", queries.DestinationListDescending, db.DestinationListDescendingParams(page)),
		query("owed to two more", queries.DestinationListAscending, owed),
		query("owed to two more", queries.DestinationListDescending, db.DestinationListDescendingParams(owed)),
		query("no such message", queries.DestinationListAscending, none),
		query("no such message", queries.DestinationListDescending, db.DestinationListDescendingParams(none)),
	}
	for _, list := range []struct {
		name   string
		change func(*db.AttemptedMessageListAscendingParams)
	}{
		{"everything matches", func(*db.AttemptedMessageListAscendingParams) {}},
		{"what succeeded", func(p *db.AttemptedMessageListAscendingParams) { p.Succeeded = true }},
		{"what succeeded, where all failed", func(p *db.AttemptedMessageListAscendingParams) {
			p.Succeeded, p.EndpointID = true, seedEndpoint(0, 1)
		}},
		{"an event type of one message in fifty", func(p *db.AttemptedMessageListAscendingParams) { p.EventTypes = []string{"type.3"} }},
		{"a rare event type", func(p *db.AttemptedMessageListAscendingParams) { p.EventTypes = []string{"rare"} }},
		{"of a small application", func(p *db.AttemptedMessageListAscendingParams) { p.AppID, p.EndpointID = small, seedEndpoint(2, 0) }},
		{"of an endpoint without any", func(p *db.AttemptedMessageListAscendingParams) { p.EndpointID = seedEndpoint(0, 4) }},
	} {
		p := db.AttemptedMessageListAscendingParams{
			AppID: large, EndpointID: seedEndpoint(0, 0), FirstAttemptID: first(59), After: beforeAll, Before: afterAll,
			EventTypes: []string{}, MaxRows: planPageRows, MaxLooked: lookedUpMost,
		}
		list.change(&p)
		filters := p.Succeeded || len(p.EventTypes) > 0
		cases = append(cases,
			query(list.name, queries.AttemptedMessageListAscending, p).filtering(filters),
			query(list.name, queries.AttemptedMessageListDescending, db.AttemptedMessageListDescendingParams(p)).filtering(filters),
		)
	}
	for _, list := range []struct {
		name   string
		change func(*db.AttemptedMessageListFailedAscendingParams)
	}{
		{"where all failed", func(*db.AttemptedMessageListFailedAscendingParams) {}},
		{"none of which will be tried again", func(p *db.AttemptedMessageListFailedAscendingParams) { p.Sending = true }},
		{"a rare event type", func(p *db.AttemptedMessageListFailedAscendingParams) { p.EventTypes = []string{"rare"} }},
		{"where none failed", func(p *db.AttemptedMessageListFailedAscendingParams) { p.EndpointID = string(seedEndpoint(0, 0)) }},
	} {
		p := db.AttemptedMessageListFailedAscendingParams{
			AppID: large, EndpointID: string(seedEndpoint(0, 1)), FirstAttemptID: first(59), After: beforeAll, Before: afterAll,
			EventTypes: []string{}, MaxRows: planPageRows, MaxLooked: lookedFarMost,
		}
		list.change(&p)
		filters := p.Sending || len(p.EventTypes) > 0
		cases = append(cases,
			query(list.name, queries.AttemptedMessageListFailedAscending, p).filtering(filters),
			query(list.name, queries.AttemptedMessageListFailedDescending, db.AttemptedMessageListFailedDescendingParams(p)).filtering(filters),
		)
	}
	return cases
}

func eventTypeCases() []queryCase {
	page := db.EventTypeListAscendingParams{OrgID: seedOrg, After: beforeAll, Before: afterAll, AllFlags: true, Flags: []string{}, MaxRows: planPageRows, MaxLooked: lookedMost}
	flagged := page
	flagged.AllFlags, flagged.Flags = false, []string{"beta"}
	other := page
	other.OrgID = noOrg
	insert := db.EventTypeInsertParams{OrgID: seedOrg, Name: "fresh", CreatedAt: seedAt, UpdatedAt: seedAt}
	known := insert
	known.Name = "type.9"
	names := times(50, func(i int) string { return seedType(i) })
	return []queryCase{
		query("there", queries.EventTypeGet, db.EventTypeGetParams{OrgID: seedOrg, Name: "type.9"}),
		query("not there", queries.EventTypeGet, db.EventTypeGetParams{OrgID: noOrg, Name: "type.9"}),
		query("there", queries.EventTypeLock, db.EventTypeLockParams{OrgID: seedOrg, Name: "type.9"}),
		query("everything matches", queries.EventTypeListAscending, page),
		query("everything matches", queries.EventTypeListDescending, db.EventTypeListDescendingParams(page)),
		query("by flags", queries.EventTypeListAscending, flagged),
		query("by flags", queries.EventTypeListDescending, db.EventTypeListDescendingParams(flagged)),
		query("another organisation", queries.EventTypeListAscending, other),
		query("another organisation", queries.EventTypeListDescending, db.EventTypeListDescendingParams(other)),
		query("fifty", queries.EventTypeNames, db.EventTypeNamesParams{OrgID: seedOrg, Names: names}),
		query("fresh", queries.EventTypeInsert, insert),
		query("there already", queries.EventTypeInsert, known),
		query("fresh", queries.EventTypeImport, db.EventTypeImportParams(insert)),
		query("there, changed", queries.EventTypeImport, db.EventTypeImportParams{OrgID: seedOrg, Name: "type.9", Description: "changed", CreatedAt: seedAt, UpdatedAt: seedAt}),
		query("there", queries.EventTypeUpdate, db.EventTypeUpdateParams{OrgID: seedOrg, Name: "type.9", UpdatedAt: seedAt}),
		query("there", queries.EventTypeDelete, db.EventTypeDeleteParams{OrgID: seedOrg, Name: "type.9"}),
		query("all but fifty", queries.EventTypeArchiveOthers, db.EventTypeArchiveOthersParams{Now: seedAt, OrgID: seedOrg, Names: names, MaxRows: 100}),
		query("another organisation", queries.EventTypeArchiveOthers, db.EventTypeArchiveOthersParams{Now: seedAt, OrgID: noOrg, Names: names, MaxRows: 100}),
	}
}
