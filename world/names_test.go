package world_test

import (
	"testing"

	"github.com/postrider/postrider/world"
)

func TestNamesFitTheRows(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.Shared(t))
	w := load(t, conn)
	const attempts = "SELECT count(*) FROM attempt WHERE app_id = $1 AND endpoint_id = $2"
	atLeast(t, conn, 20_000, attempts, w.Large.ID, w.History)
	atLeast(t, conn, 100, attempts+" AND status = 2", w.Large.ID, w.History)
	atLeast(t, conn, 2_000, attempts, w.Large.ID, w.NeverFailed)
	want(t, conn, 0, attempts+" AND status = 2", w.Large.ID, w.NeverFailed)
	atLeast(t, conn, 1_000, attempts+" AND status = 2", w.Large.ID, w.Failing)
	want(t, conn, 3, attempts, w.Large.ID, w.RareType)
	want(t, conn, 3, attempts, w.Large.ID, w.RareChannel)
	want(t, conn, 0, attempts, w.Large.ID, w.Idle)
	atLeast(t, conn, 100, attempts, w.Large.ID, w.Disabled)
	atLeast(t, conn, 100, attempts, w.Large.ID, w.Deleted)
	atLeast(t, conn, 1, attempts, w.Wide.ID, w.WideEndpoint)
	atLeast(t, conn, 50, attempts, w.Dead.ID, w.DeadEndpoint)
	atLeast(t, conn, 50, attempts, w.Dead.ID, w.DeadNeighbor)

	const messages = "SELECT count(*) FROM message WHERE app_id = $1 AND "
	want(t, conn, 3, messages+"event_type = $2", w.Large.ID, w.RareEventType)
	want(t, conn, 3, messages+"channels @> ARRAY[$2]", w.Large.ID, w.Channel)
	want(t, conn, 3, messages+"tags @> ARRAY[$2]", w.Large.ID, w.Tag)
	atLeast(t, conn, 2_000, messages+"event_type = $2", w.Large.ID, w.CommonEventType)
	atLeast(t, conn, 400, messages+"event_type = $2", w.Large.ID, w.TripleEventType)
	want(t, conn, 0, messages+"(id < $2 OR id > $3)", w.Large.ID, w.FirstMessage, w.LastMessage)
	want(t, conn, 4, "SELECT count(*) FROM endpoint WHERE app_id = $1 AND $2 = ANY (event_types)", w.Wide.ID, w.WideType)

	const to = "SELECT count(DISTINCT endpoint_id) FROM attempt WHERE app_id = $1 AND message_id = $2"
	want(t, conn, 3, to, w.Large.ID, w.Triple)
	want(t, conn, 3, to, w.Ordinary.ID, w.OrdinaryMessage)
	want(t, conn, 0, "SELECT count(*) FROM delivery WHERE message_id IN ($1, $2)", w.Triple, w.OrdinaryMessage)
	atLeast(t, conn, 2, "SELECT count(*) FROM application WHERE org_id = $1", w.OtherOrg)
	want(t, conn, 5, "SELECT count(*) FROM application WHERE org_id = $1 AND id IN ($2, $3, $4, $5, $6)",
		w.Org, w.Large.ID, w.Wide.ID, w.Dead.ID, w.Ordinary.ID, w.Empty.ID)
}

func TestNothingMatchesNothing(t *testing.T) {
	t.Parallel()
	conn := connect(t, small.Shared(t))
	n := load(t, conn).Nothing
	want(t, conn, 0, "SELECT count(*) FROM application WHERE org_id = $1 OR id = $2", n.Org, n.App)
	want(t, conn, 0, "SELECT count(*) FROM endpoint WHERE id = $1", n.Endpoint)
	want(t, conn, 0, "SELECT count(*) FROM message WHERE id = $1 OR event_type = $2 OR channels @> ARRAY[$3] OR tags @> ARRAY[$4]",
		n.Message, n.EventType, n.Channel, n.Tag)
	want(t, conn, 0, "SELECT count(*) FROM attempt WHERE id = $1", n.Attempt)
}

// TestSeedDecidesTheRows makes tiny worlds: two from one seed and one from another.
func TestSeedDecidesTheRows(t *testing.T) {
	t.Parallel()
	const sum = `SELECT md5(string_agg(line, '' ORDER BY line COLLATE "C")) FROM (
		SELECT application::text AS line FROM application
		UNION ALL SELECT endpoint::text FROM endpoint
		UNION ALL SELECT message::text FROM message
		UNION ALL SELECT attempt::text FROM attempt
		UNION ALL SELECT (delivery.app_id, message_id, endpoint_id, due_at, lease, attempts, queue, resume_at)::text FROM delivery
		UNION ALL SELECT message_key::text FROM message_key
		UNION ALL SELECT message_event_id::text FROM message_event_id) AS lines`
	sums := map[string]int{}
	for _, seed := range []uint64{1, 1, 2} {
		c := tiny(seed)
		conn := connect(t, empty.New(t))
		if _, err := world.Make(t.Context(), conn, c); err != nil {
			t.Fatal(err)
		}
		sums[value[string](t, conn, sum)]++
	}
	if len(sums) != 2 {
		t.Errorf("two worlds of one seed and one of another have the sums %v", sums)
	}
}

// tiny returns the configuration of a thousandth of the full world.
func tiny(seed uint64) world.Config {
	c := world.Small(seed)
	c.Now = world.FixedNow
	c.Applications, c.Endpoints, c.Messages = 40, 140, 4200
	c.LargeMessages, c.WideEndpoints, c.WideMessages, c.DeadBacklog, c.WaitingEndpoints = 480, 40, 40, 20, 5
	return c
}

func TestWorldIsMadeInAnEmptyDatabaseOnly(t *testing.T) {
	t.Parallel()
	conn := connect(t, empty.New(t))
	if _, err := world.Load(t.Context(), conn); err == nil {
		t.Error("a world is found in an empty database")
	}
	made, err := world.Make(t.Context(), conn, tiny(1))
	if err != nil {
		t.Fatal(err)
	}
	if found := load(t, conn); *found != *made {
		t.Errorf("Make returned %+v, Load %+v", made, found)
	}
	if _, err := world.Make(t.Context(), conn, tiny(1)); err == nil {
		t.Error("a second world was made in the same database")
	}
}
