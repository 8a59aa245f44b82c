// Package world makes a database as it looks after two months of use: many applications, one of them
// large, partitions full of history, and deliveries that wait. Tests of plans, end-to-end tests and
// benchmarks run on it, because an engine that is fast on an empty database may stop on an old one.
//
//	w, err := world.Make(ctx, conn, world.Small(1))
//	w.Large.ID                  // the application with most of the history
//	w.History                   // its endpoint that wants everything
//
// It writes with COPY, from a seed: the same Config makes the same rows. It knows the schema and core's
// ids, and must know nothing of how the service reads or changes them.
package world

import (
	"time"

	"github.com/postrider/postrider/core"
)

// Config is what a world is made of. Small and Full are the usual ones; change their fields as needed.
type Config struct {
	Seed uint64
	Now  time.Time // the instant at which the world stands; zero: the clock of the database
	URL  string    // what endpoints' URLs begin with; they end in the endpoint's id

	Applications int
	Endpoints    int // of all applications
	Messages     int // of all applications, over the weeks until now

	LargeMessages int // those of the large application
	WideEndpoints int // those of the wide application
	WideMessages  int // those of the wide application; four of its endpoints want each
	DeadBacklog   int // deliveries owed to the dead endpoint

	// WaitingEndpoints is how many endpoints wait for a retry in the future because every attempt of
	// the last hours failed.
	WaitingEndpoints int

	// Due and DueEndpoints add retries that are due, spread over that many endpoints; see AddDue.
	Due, DueEndpoints int
}

// FixedNow is an instant for worlds whose figures are compared with those of another day: a Thursday,
// so that the partition of its week is half full.
var FixedNow = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// Full is the world at its full size: about 10 GB.
func Full(seed uint64) Config {
	return Config{
		Seed: seed, URL: "https://receiver.invalid/",
		Applications: 20_000, Endpoints: 52_000, Messages: 4_200_000,
		LargeMessages: 480_000, WideEndpoints: 2_000, WideMessages: 10_000,
		DeadBacklog: 20_000, WaitingEndpoints: 4_500,
	}
}

// Small is a twentieth of Full.
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

// World names what tests and benchmarks look for in it.
type World struct {
	Now   time.Time // of Config
	Start time.Time // before the first message: a Monday

	Org      core.OrgID // of nine applications in ten, and of all that are named here
	OtherOrg core.OrgID // one of 20 others, with a two-hundredth of the applications

	// Large has a ninth of all messages, and the endpoints below.
	Large       App
	History     core.EndpointID // wants all; one attempt in a hundred fails
	NeverFailed core.EndpointID // wants CommonType and TripleType; every attempt succeeded
	Failing     core.EndpointID // wants TripleType; nine attempts in ten fail
	RareType    core.EndpointID // wants RareEventType alone
	RareChannel core.EndpointID // wants Channel alone
	Idle        core.EndpointID // wants what was never sent
	Disabled    core.EndpointID // was disabled halfway, with failures
	Deleted     core.EndpointID // was deleted halfway

	CommonEventType string // of Large: a message in ten
	TripleEventType string // of Large: a message in fifty
	RareEventType   string // of Large: three messages, an old one, one halfway and a new one
	Channel         string // a rare channel of Large: three messages
	Tag             string // a rare tag of Large: three messages

	FirstMessage core.MessageID // of Large
	LastMessage  core.MessageID // of Large
	Triple       core.MessageID // of Large, attempted at History, NeverFailed and Failing; nothing is owed

	// Wide has the most endpoints; each wants one event type, and four want the same.
	Wide         App
	WideEndpoint core.EndpointID // one in the middle of them
	WideType     string          // what it wants

	// Dead has one endpoint that does not answer, with a backlog, one that is well, and a FIFO one.
	Dead         App
	DeadEndpoint core.EndpointID
	DeadNeighbor core.EndpointID
	FIFO         core.EndpointID // of Dead: its first delivery fails, and the others wait behind it

	// Ordinary is an application like most: three endpoints that want everything, and a message now and then.
	Ordinary        App
	OrdinaryMessage core.MessageID // its latest message that nothing is owed of
	OrdinaryTo      core.EndpointID

	Empty App // has no endpoints and no messages

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
