// Package world fills a database as it looks after two months of use: many applications, one of them large, partitions
// full of history, and pending deliveries. Plan tests, end-to-end tests and benchmarks run on it, because an engine that
// is fast on an empty database may stall on an old one.
//
//	w, err := world.Make(ctx, conn, world.Small(1))
//	w.Large.ID                  // the application with most of the history
//	w.History                   // its endpoint that wants everything
//
// It writes with COPY and draws from a seed: the same Config makes the same rows. It knows the schema and core's ids, and
// must not know how the service reads or changes them.
package world

import (
	"time"

	"github.com/postrider/postrider/core"
)

// Config configures a world. Full and Small return the usual ones; change their fields as needed.
type Config struct {
	Seed uint64
	Now  time.Time // the world's current time; zero: the database's clock
	URL  string    // the prefix of endpoints' URLs; they end in the endpoint's id

	Applications int
	Endpoints    int // of all applications
	Messages     int // of all applications, over the weeks until now

	LargeMessages int // messages of the large application
	WideEndpoints int // endpoints of the wide application
	WideMessages  int // messages of the wide application; four of its endpoints want each
	DeadBacklog   int // deliveries owed to the dead endpoint

	// WaitingEndpoints is how many endpoints wait for a retry in the future because every attempt of the last hours
	// failed.
	WaitingEndpoints int

	// Due and DueEndpoints add due retries, spread over that number of endpoints; see AddDue.
	Due, DueEndpoints int
}

// FixedNow is a time for worlds whose figures are compared between days. It is a Thursday, so that the partition of
// its week is half full.
var FixedNow = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// Full returns the configuration of a full-size world: about 10 GB.
func Full(seed uint64) Config {
	return Config{
		Seed: seed, URL: "https://receiver.invalid/",
		Applications: 20_000, Endpoints: 52_000, Messages: 4_200_000,
		LargeMessages: 480_000, WideEndpoints: 2_000, WideMessages: 10_000,
		DeadBacklog: 20_000, WaitingEndpoints: 4_500,
	}
}

// Small returns a twentieth of Full.
func Small(seed uint64) Config {
	c := Full(seed)
	for _, n := range []*int{
		&c.Applications, &c.Endpoints, &c.Messages, &c.LargeMessages, &c.WideEndpoints, &c.WideMessages,
		&c.DeadBacklog, &c.WaitingEndpoints,
	} {
		*n /= 20
	}
	return c
}

// World contains the ids and names that tests and benchmarks need.
type World struct {
	Now   time.Time // as in Config
	Start time.Time // before the first message: a Monday

	Org      core.OrgID // the owner of nine applications in ten, and of all named here
	OtherOrg core.OrgID // one of 20 others, with a two-hundredth of the applications

	// Large is the application with a ninth of all messages, and the endpoints below.
	Large       App
	History     core.EndpointID // wants everything; one attempt in a hundred fails
	NeverFailed core.EndpointID // wants CommonEventType and TripleEventType; every attempt succeeded
	Failing     core.EndpointID // wants TripleEventType; nine attempts in ten fail
	RareType    core.EndpointID // wants RareEventType alone
	RareChannel core.EndpointID // wants Channel alone
	Idle        core.EndpointID // wants an event type that was never sent
	Disabled    core.EndpointID // was disabled halfway, with failures
	Deleted     core.EndpointID // was deleted halfway

	CommonEventType string // of Large: one message in ten
	TripleEventType string // of Large: one message in fifty
	RareEventType   string // of Large: three messages, an old one, one halfway and a new one
	Channel         string // a rare channel of Large: three messages
	Tag             string // a rare tag of Large: three messages

	FirstMessage core.MessageID // of Large
	LastMessage  core.MessageID // of Large
	Triple       core.MessageID // of Large, attempted at History, NeverFailed and Failing; no delivery is pending

	// Wide is the application with the most endpoints; each wants one event type, and four want the same.
	Wide         App
	WideEndpoint core.EndpointID // one in the middle of its endpoints
	WideType     string          // what it wants

	// Dead is an application with an endpoint that does not respond and has a backlog, a healthy one, and a FIFO one.
	Dead         App
	DeadEndpoint core.EndpointID
	DeadNeighbor core.EndpointID
	FIFO         core.EndpointID // of Dead: its first delivery fails, and the others wait behind it

	// Ordinary is a typical application: three endpoints that want everything, and a message now and then.
	Ordinary        App
	OrdinaryMessage core.MessageID // its latest message without a pending delivery
	OrdinaryTo      core.EndpointID

	Empty App // an application without endpoints and messages

	Nothing Nothing
}

// App is an application of the world.
type App struct {
	ID  core.AppID
	UID string
}

// Nothing are well-formed values that match no row.
type Nothing struct {
	Org       core.OrgID
	App       core.AppID
	Endpoint  core.EndpointID
	Message   core.MessageID
	Attempt   core.AttemptID
	EventType string
	Channel   string
	Tag       string
}
