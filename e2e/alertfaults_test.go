package e2e

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// alertFault is a fault and the alerts that tell of it.
type alertFault struct {
	alerts  []string // with "/" and the source or the table, where the alert has one
	lowered map[string][2]string
	begin   func(t *testing.T, o *observed) (mend func())
}

// alertStages have a fault for every alert. Those of a stage are made together, in their order. Limits are lowered where
// the real ones take hours or thousands of messages.
var alertStages = []struct {
	name   string
	faults []alertFault
}{
	{"deliveries, sources and the database", []alertFault{
		{alerts: []string{"PostriderEndpointsDisabled"}, begin: endpointGone},
		{alerts: []string{"PostriderDeadLetters/kafka", "PostriderDeadLetters/outbox"}, begin: messagesToNobody},
		{
			alerts:  []string{"PostriderDown", "PostriderDeliveriesPastDue", "PostriderBacklogGrowing"},
			lowered: map[string][2]string{"PostriderDeliveriesPastDue": {"> 120", "> 2"}},
			begin:   func(_ *testing.T, o *observed) func() { return o.kill("worker") },
		},
		{
			alerts:  []string{"PostriderOutboxWaiting", "PostriderConsumerLag/kafka"},
			lowered: map[string][2]string{"PostriderConsumerLag": {"> 1000", "> 20"}},
			begin:   consumersCutOff,
		},
		{
			alerts:  []string{"PostriderSnapshotHeld"},
			lowered: map[string][2]string{"PostriderSnapshotHeld": {"> 3600", "> 3"}},
			begin: func(t *testing.T, o *observed) func() {
				t.Helper()
				return openTransaction(t, o.database, rig.SnapshotHeld)
			},
		},
		{
			alerts: []string{"PostriderPartitionsMissing/message", "PostriderPartitionsMissing/attempt"},
			begin:  partitionsDropped,
		},
		{alerts: []string{"PostriderPoolExhausted"}, begin: manyRequests},
	}},
	{"receivers, requests and the clock", []alertFault{
		{
			alerts:  []string{"PostriderFailureRatioHigh"},
			lowered: map[string][2]string{"PostriderFailureRatioHigh": {"> 20", "> 2"}},
			begin: func(_ *testing.T, o *observed) func() {
				o.status.Store(http.StatusInternalServerError)
				return func() { o.status.Store(http.StatusNoContent) }
			},
		},
		{
			alerts: []string{"PostriderErrorRatioHigh"},
			begin: func(t *testing.T, o *observed) func() {
				t.Helper()
				return o.disturb(t, "api", rig.Refusing)
			},
		},
		{alerts: []string{"PostriderClockSkew"}, begin: clockShifted},
	}},
	{"jobs", []alertFault{{
		alerts: []string{"PostriderDown", "PostriderStateMissing"},
		begin: func(t *testing.T, o *observed) func() {
			t.Helper()
			o.members["jobs"].Stop(t) // a killed process would keep its lease on reading the state for a while
			return func() { o.members["jobs"].start(o.t) }
		},
	}}},
}

// kill kills a process, and returns a function that starts it again.
func (o *observed) kill(name string) (mend func()) {
	o.members[name].Kill()
	return func() { o.members[name].start(o.t) }
}

// disturb makes a fault between a process and the database.
func (o *observed) disturb(t *testing.T, name string, fault rig.Trouble) (mend func()) {
	t.Helper()
	way := o.members[name].way
	rig.NoError(t, way.Disturb(fault))
	return func() { rig.NoError(t, way.Heal(context.WithoutCancel(t.Context()))) }
}

// endpointGone has an endpoint answer 410 once. The alert ends by itself.
func endpointGone(t *testing.T, o *observed) (mend func()) {
	t.Helper()
	app, receiver := o.client.NewApplication(t), rig.NewReceiver(t, rig.AnswerStatus(http.StatusGone))
	receiver.NewEndpoint(t, o.client, app)
	o.client.SendMessage(t, app)
	awaitRows(t, o.database, "SELECT count(*) FROM endpoint WHERE disabled", 1)
	return func() {}
}

// messagesToNobody sends to an application that does not exist, by a broker and by SQL. The alert ends by itself.
func messagesToNobody(t *testing.T, o *observed) (mend func()) {
	t.Helper()
	rig.NoError(t, o.publish(t.Context(), o.kafka, "nobody", 1))
	rig.NoError(t, o.publish(t.Context(), o.outbox, "nobody", 1))
	awaitRows(t, o.database, "SELECT count(*) FROM outbox_dead_letter", 1)
	rig.Await(t, func() string {
		if len(rig.Must(o.Query(t.Context(), `postrider_messages_refused_total{source="kafka"} > 0`))(t)) == 0 {
			return "the record is not refused"
		}
		return ""
	})
	return func() {}
}

// consumersCutOff takes the database from the consumers while there is more to consume.
func consumersCutOff(t *testing.T, o *observed) (mend func()) {
	t.Helper()
	mend = o.disturb(t, "consume", rig.Refusing)
	for n := range 50 {
		rig.NoError(t, o.publish(t.Context(), o.kafka, o.app, 1_000_000+n))
	}
	return mend
}

// partitionsDropped drops the partitions that were created ahead of time. Every process creates them when it starts.
func partitionsDropped(t *testing.T, o *observed) (mend func()) {
	t.Helper()
	rig.Execute(t, o.database, dropPartitions)
	return func() {
		p := rig.Start(t, rig.Settings(o.database), "jobs")
		p.AwaitReady(t)
		p.Stop(t)
	}
}

// dropPartitions drops the partitions of the weeks after the next.
const dropPartitions = `
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN
        SELECT inhrelid
        FROM pg_inherits
        WHERE inhparent IN ('message'::regclass, 'attempt'::regclass)
        AND substring(inhrelid::regclass::text FROM '_(\d{8})$') > to_char(now() + '7 days', 'YYYYMMDD')
    LOOP
        EXECUTE 'DROP TABLE ' || partition;
    END LOOP;
END $$`

// manyRequests makes statements of the API with one connection slow, and sends it more requests at a time than one
// connection can serve. Storing messages, lists and other requests wait for it.
func manyRequests(t *testing.T, o *observed) (mend func()) {
	t.Helper()
	heal := o.disturb(t, "small", rig.Trouble{Name: "latency", Attributes: map[string]int{"latency": 20}})
	c := rig.NewClient(t, o.members["small"].Service(t).URL, o.client.Token)
	ctx, cancel := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	for _, request := range [][3]string{
		{"POST", "/api/v1/app/" + o.app + "/msg", `{"eventType": "e2e.message", "payload": {}}`},
		{"GET", "/api/v1/app/" + o.app + "/msg", ""},
		{"GET", "/api/v1/app/" + o.app, ""},
		{"POST", "/api/v1/app", `{"name": "one of many"}`},
	} {
		for range 4 {
			senders.Go(func() {
				for ctx.Err() == nil {
					_, _ = c.Do(ctx, request[0], request[1], request[2]) // some are refused
				}
			})
		}
	}
	return func() {
		cancel()
		senders.Wait()
		heal()
	}
}

// clockShifted gives the database another clock, for sessions that begin after that, and starts a process again.
func clockShifted(t *testing.T, o *observed) (mend func()) {
	t.Helper()
	start := func() { o.kill("small")() }
	rig.Execute(t, o.database,
		"ALTER FUNCTION pg_catalog.clock_timestamp() RENAME TO clock_timestamp_of_the_host",
		`CREATE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
		AS $$ SELECT pg_catalog.clock_timestamp_of_the_host() + interval '3 seconds' $$`)
	start()
	return func() {
		rig.Execute(t, o.database, "DROP FUNCTION pg_catalog.clock_timestamp()",
			"ALTER FUNCTION pg_catalog.clock_timestamp_of_the_host() RENAME TO clock_timestamp")
		start()
	}
}
