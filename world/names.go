package world

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// namesKey is where an application's metadata contains the World, so that clones and copies of the database have it
// too.
const namesKey = "world"

// Load returns the World that was made in this database.
func Load(ctx context.Context, conn *pgx.Conn) (*World, error) {
	var names string
	err := conn.QueryRow(ctx, `
		SELECT metadata->>$1
		FROM application
		WHERE org_id = $2
			AND uid = 'world-empty'`, namesKey, org).Scan(&names)
	if err != nil {
		return nil, fmt.Errorf("looking for a world: %w", err)
	}
	w := &World{}
	return w, json.Unmarshal([]byte(names), w)
}

// nameAll fills in the names that the population decides.
func (h *history) nameAll() {
	w := h.world
	w.Now, w.Start = h.Now, h.start
	w.Org, w.OtherOrg = org, otherOrg
	w.Large, w.Wide, w.Dead, w.Ordinary, w.Empty = h.large.app, h.wide.app, h.dead.app, h.plain.app, h.empty.app
	for i, id := range []*core.EndpointID{
		&w.History, &w.NeverFailed, &w.Failing, &w.RareType, &w.RareChannel, &w.Idle, &w.Disabled, &w.Deleted,
	} {
		*id = h.large.endpoints[i].id // in makeLarge's order
	}
	w.CommonEventType, w.TripleEventType, w.RareEventType = ownTypes[commonType], ownTypes[tripleType], ownTypes[rareType]
	w.Channel, w.Tag = rareChannel, rareTag
	middle := h.wide.endpoints[len(h.wide.endpoints)/2]
	w.WideEndpoint, w.WideType = middle.id, h.eventType(middle.types[0])
	w.DeadEndpoint, w.DeadNeighbor, w.FIFO = h.dead.endpoints[0].id, h.dead.endpoints[1].id, h.dead.endpoints[2].id
	w.OrdinaryTo = h.plain.endpoints[0].id
	at := h.halfway()
	w.Nothing = Nothing{
		Org: "org_world_nobody", App: core.AppID(h.id(appPrefix, at)), Endpoint: core.EndpointID(h.id(endpointPrefix, at)),
		Message: core.MessageID(h.id(messagePrefix, at)), Attempt: core.AttemptID(h.id(attemptPrefix, at)),
		EventType: "nothing.happened", Channel: "nowhere", Tag: "untagged",
	}
}
