package store

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func messageCases() []queryCase {
	large, small := seedApp(0), seedApp(2)
	var cases []queryCase
	for _, list := range []struct {
		name   string
		change func(*db.MessageListAscendingParams)
	}{
		{"everything matches", func(*db.MessageListAscendingParams) {}},
		{"from the middle", func(p *db.MessageListAscendingParams) {
			p.After, p.Before = string(seedMessage(30, 0)), string(seedMessage(20, 0))
		}},
		{"an event type of one message in fifty", func(p *db.MessageListAscendingParams) { p.EventTypes = []string{"type.3"} }},
		{"a rare event type", func(p *db.MessageListAscendingParams) { p.EventTypes = []string{"rare"} }},
		{"a channel that no message has", func(p *db.MessageListAscendingParams) { p.Channel = "none" }},
		{"a tag that no message has", func(p *db.MessageListAscendingParams) { p.Tag = "none" }},
		{"of a small application", func(p *db.MessageListAscendingParams) { p.AppID = small }},
		{"of an application without any", func(p *db.MessageListAscendingParams) { p.AppID = seedApp(1) }},
	} {
		p := db.MessageListAscendingParams{AppID: large, After: beforeAll, Before: afterAll, EventTypes: []string{}, MaxRows: planPageRows, MaxLooked: lookedMost}
		list.change(&p)
		filters := p.Channel != "" || p.Tag != "" || len(p.EventTypes) > 0
		cases = append(cases,
			query(list.name, queries.MessageListAscending, p).filtering(filters),
			query(list.name, queries.MessageListDescending, db.MessageListDescendingParams(p)).filtering(filters),
		)
	}
	page := times(planPageRows, func(i int) string { return string(seedMessage(30, i)) })
	scattered := times(planPageRows, func(i int) string { return string(seedMessage(i, i)) })
	event := fmt.Sprintf("event-10%.21s", seedMessage(30, 10))
	cases = append(cases, storeCases()...)
	return append(cases,
		query("of the large application", queries.MessageGet, db.MessageGetParams{AppID: large, ID: seedMessage(30, 8)}),
		query("not there", queries.MessageGet, db.MessageGetParams{AppID: large, ID: seedMessage(30, 9999)}),
		query("of the large application", queries.MessageGetByEventID, db.MessageGetByEventIDParams{AppID: large, EventID: event}),
		query("not there", queries.MessageGetByEventID, db.MessageGetByEventIDParams{AppID: large, EventID: "none"}),
		query("of one instant", queries.MessageGetMany, db.MessageGetManyParams{AppID: large, IDs: page}),
		query("of many instants", queries.MessageGetMany, db.MessageGetManyParams{AppID: large, IDs: scattered}),
		query("of another application", queries.MessageGetMany, db.MessageGetManyParams{AppID: small, IDs: page}).about(planPageRows),
		query("to send", queries.MessagePayloadGet, db.MessagePayloadGetParams{AppID: large, ID: core.MessageID(scattered[0]), Now: seedAt}),
		query("of many instants", queries.MessagePayloadGetMany, db.MessagePayloadGetManyParams{AppID: large, IDs: scattered}),
		query("of the large application", queries.MessageIDGet, db.MessageIDGetParams{AppID: large, EventID: event}),
		query("by id", queries.MessageExpungeMany, db.MessageExpungeManyParams{AppID: large, Refs: scattered}),
		query("by event id", queries.MessageExpungeMany, db.MessageExpungeManyParams{AppID: large, Refs: []string{event}}),
		query("not there", queries.MessageExpungeMany, db.MessageExpungeManyParams{AppID: small, Refs: []string{event, page[0]}}),
		query("of the large application", queries.MessageKeyGet, db.MessageKeyGetParams{AppID: large, KeyHash: seedHash(1), Since: seedAt.AddDate(0, 0, -1)}),
		query("not there", queries.MessageKeyGet, db.MessageKeyGetParams{AppID: small, KeyHash: seedHash(1), Since: seedAt.AddDate(0, 0, -1)}),
		query("of the large application", queries.MessageInsert, db.MessageInsertParams{
			AppID: large, ID: core.MessageIDAt(seedAt), EventType: "type.1", Payload: new(`{"amount": 1}`), ExpiresAt: seedAt, CreatedAt: seedAt,
		}),
	)
}

// seedHash returns the hash of the nth key.
func seedHash(n int) []byte {
	hash := sha256.Sum256([]byte(fmt.Sprint(n)))
	return hash[:]
}

// storeCases returns the cases of the statement that stores messages, with and without room to lease their
// deliveries.
func storeCases() []queryCase {
	room := core.Room{Total: 1000, PerEndpoint: 100, LeasedUntil: seedAt.Add(time.Minute)}
	messages := func(change func(i int, m *core.NewMessage)) []core.NewMessage {
		return times(hotBatch, func(i int) core.NewMessage {
			m := core.NewMessage{OrgID: seedOrg, Message: core.Message{
				ID:        core.MessageID(fmt.Sprintf("%.21s%010d", core.MessageIDAt(seedAt), i)),
				EventType: fmt.Sprintf("type.%d", i), Payload: new(`{"amount": 1}`), ExpiresAt: seedAt.AddDate(0, 0, 90), CreatedAt: seedAt,
			}}
			change(i, &m)
			return m
		})
	}
	small := messages(func(i int, m *core.NewMessage) { m.AppRef = fmt.Sprintf("customer-%d", 2+i) })
	keyed := messages(func(i int, m *core.NewMessage) {
		m.AppRef, m.KeyHash, m.EventID = string(seedApp(2+i)), seedHash(-i), new(fmt.Sprintf("order-%d", i))
	})
	large := messages(func(_ int, m *core.NewMessage) { m.AppRef = string(seedApp(0)) })
	wide := messages(func(_ int, m *core.NewMessage) { m.AppRef = string(seedApp(1)) })
	known := messages(func(i int, m *core.NewMessage) { m.AppRef, m.KeyHash = string(seedApp(0)), seedHash(1+i) })
	return []queryCase{
		query("to small applications", queries.MessageInsertMany, insertParams(small, core.Room{}, seedAt)),
		query("to small applications, leased at once", queries.MessageInsertMany, insertParams(small, room, seedAt)),
		query("to small applications, with keys and event ids", queries.MessageInsertMany, insertParams(keyed, core.Room{}, seedAt)),
		query("to the large application", queries.MessageInsertMany, insertParams(large, core.Room{}, seedAt)),
		query("to an application with 2,000 endpoints, four of which want each", queries.MessageInsertMany, insertParams(wide, core.Room{}, seedAt)),
		query("all stored before", queries.MessageInsertMany, insertParams(known, core.Room{}, seedAt)).about(hotBatch),
	}
}
