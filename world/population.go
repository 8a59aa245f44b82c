package world

import (
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

const (
	week  = 7 * 24 * time.Hour
	weeks = 9 // complete weeks before the week of Now
)

// Event types: 0 to eventTypes-1 belong to everybody; those of the wide application follow.
const (
	eventTypes = 40
	wideFan    = 4 // endpoints of the wide application that want the same event type
)

// Event types of the large application alone, in addition to everybody's.
const (
	commonType = -1 - iota
	tripleType
	rareType
	neverType
)

var ownTypes = map[int]string{
	commonType: "subscription.renewed", tripleType: "invoice.payment_failed",
	rareType: "account.migrated", neverType: "account.exported",
}

const (
	rareChannel = "migration"
	rareTag     = "imported"
)

// application is an application of the population.
type application struct {
	app       App
	org       core.OrgID
	created   time.Time
	deleted   bool
	throttle  int
	endpoints []*endpoint
	byType    map[int][]*endpoint // of the wide application: endpoints by their event type
}

// endpoint is an endpoint of the population, with what determines the results of its attempts.
type endpoint struct {
	id       core.EndpointID
	uid      string
	app      *application
	types    []int    // nil: all
	channels []string // nil: any
	created  time.Time
	ends     time.Time // when it is disabled or deleted; zero: never
	deleted  bool      // whether it is deleted then
	fifo     bool
	throttle int
	pausedAt time.Time // zero: not paused

	failure  float64   // the probability that an attempt fails
	blocked  time.Time // a FIFO endpoint: newer messages wait behind the first; zero: not blocked
	waiting  bool      // all attempts of the last hours failed
	failures int       // consecutive ones at the end
	failing  time.Time // since when it has been failing, at the end
}

func (e *endpoint) wants(eventType int, channels []string) bool {
	return (e.types == nil || slices.Contains(e.types, eventType)) && (e.channels == nil || overlap(e.channels, channels))
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// population is the senders and receivers.
type population struct {
	Config
	random
	start  time.Time
	words  *words
	all    []*application // in creation order
	others []*application // those without a name of their own, the busiest first

	large, wide, dead, plain, empty *application
}

const org, otherOrg = core.OrgID("org_world"), core.OrgID("org_world_7")

// eventType returns the name of an event type.
func (p *population) eventType(n int) string {
	switch {
	case n < 0:
		return ownTypes[n]
	case n < eventTypes:
		return p.words.eventTypes[n]
	}
	return fmt.Sprintf("wide.changed_%d", n-eventTypes)
}

// newPopulation draws the applications and their endpoints.
func newPopulation(c Config) *population {
	p := &population{Config: c, random: newRandom(c.Seed), start: startOf(c.Now)}
	p.words = newWords(p.random)
	made := p.start.Add(-52 * week)
	step := p.start.Sub(made) / time.Duration(c.Applications)
	for range c.Applications {
		made = made.Add(step)
		a := &application{org: org, created: made}
		a.app.ID = core.AppID(p.id(appPrefix, made))
		p.all = append(p.all, a)
	}
	// In the middle, so that they are at neither end of an index or list.
	named := p.all[c.Applications/2:]
	p.large, p.wide, p.dead, p.plain, p.empty = named[0], named[1], named[2], named[3], named[4]
	p.makeLarge()
	p.makeWide()
	p.makeDead()
	p.makePlain()
	p.empty.app.UID = "world-empty"
	for n, a := range p.all {
		if a.app.UID == "" {
			p.makeOrdinary(n, a)
		}
	}
	p.makeEndpoints()
	p.Shuffle(len(p.others), func(i, j int) { p.others[i], p.others[j] = p.others[j], p.others[i] })
	return p
}

// startOf returns the Monday on which the first week begins.
func startOf(now time.Time) time.Time { return now.UTC().Truncate(week).Add(-weeks * week) }

// halfway returns a moment about halfway through the weeks.
func (p *population) halfway() time.Time { return p.start.Add(p.Now.Sub(p.start) / 2) }

func (p *population) add(a *application, uid string, change func(*endpoint)) *endpoint {
	e := &endpoint{
		app: a, uid: uid, failure: 0.004,
		created: p.moment(a.created, a.created.Add(24*time.Hour)),
	}
	e.id = core.EndpointID(p.id(endpointPrefix, e.created))
	if change != nil {
		change(e)
	}
	a.endpoints = append(a.endpoints, e)
	return e
}

func (p *population) makeLarge() {
	a := p.large
	a.app.UID = "world-large"
	p.add(a, "history", func(e *endpoint) { e.failure = 0.01 })
	p.add(a, "never-failed", func(e *endpoint) { e.types, e.failure = []int{commonType, tripleType}, 0 })
	p.add(a, "failing", func(e *endpoint) { e.types, e.failure = []int{tripleType}, 0.9 })
	p.add(a, "rare-type", func(e *endpoint) { e.types = []int{rareType} })
	p.add(a, "rare-channel", func(e *endpoint) { e.channels = []string{rareChannel} })
	p.add(a, "idle", func(e *endpoint) { e.types = []int{neverType} })
	p.add(a, "disabled", func(e *endpoint) { e.types, e.failure, e.ends = []int{3, 4}, 0.5, p.halfway() })
	p.add(a, "deleted", func(e *endpoint) { e.types, e.ends, e.deleted = []int{4, 5}, p.halfway(), true })
}

func (p *population) makeWide() {
	a := p.wide
	a.app.UID = "world-wide"
	a.byType = map[int][]*endpoint{}
	for n := range p.WideEndpoints {
		eventType := eventTypes + n%p.wideTypes()
		e := p.add(a, fmt.Sprintf("wide-%d", n), func(e *endpoint) { e.types = []int{eventType} })
		a.byType[eventType] = append(a.byType[eventType], e)
	}
}

// wideTypes is how many event types the wide application has.
func (c Config) wideTypes() int { return max(1, c.WideEndpoints/wideFan) }

func (p *population) makeDead() {
	p.dead.app.UID = "world-dead"
	p.add(p.dead, "dead", func(e *endpoint) { e.failure, e.pausedAt = 1, p.Now.Add(-deadFor*9/10) })
	p.add(p.dead, "neighbor", func(e *endpoint) { e.types, e.failure = []int{0, 1}, 0 })
	p.add(p.dead, "fifo", func(e *endpoint) {
		e.types, e.failure, e.fifo, e.blocked = []int{0, 1, 2}, 0, true, p.Now.Add(-12*time.Hour)
	})
}

// deadFor is how long the dead endpoint has not responded.
const deadFor = 72 * time.Hour

func (p *population) makePlain() {
	p.plain.app.UID = "world-ordinary"
	for n := range 3 {
		p.add(p.plain, fmt.Sprintf("ordinary-%d", n), func(e *endpoint) { e.failure = 0 })
	}
}

func (p *population) makeOrdinary(n int, a *application) {
	if n%10 == 9 {
		a.org = core.OrgID(fmt.Sprintf("org_world_%d", n/10%20))
	}
	if n%3 == 0 {
		a.app.UID = fmt.Sprintf("customer-%d", n)
	}
	a.deleted = n%100 == 50
	if n%100 == 51 {
		a.throttle = 1 + p.IntN(100)
	}
	p.others = append(p.others, a)
}

// makeEndpoints distributes the remaining endpoints among the ordinary applications: one to five each.
func (p *population) makeEndpoints() {
	left := p.Endpoints
	for _, a := range p.all {
		left -= len(a.endpoints)
	}
	for i := 0; i < len(p.others); i += 2 {
		pair := p.others[i:min(i+2, len(p.others))]
		n := left * len(pair) / (len(p.others) - i)
		left -= n
		first := n
		if len(pair) == 2 {
			first = 1 + p.IntN(max(1, n-1))
			for range n - first {
				p.add(pair[1], "", p.draw)
			}
		}
		for range first {
			p.add(pair[0], "", p.draw)
		}
	}
}

// draw decides what an ordinary endpoint subscribes to, and how it differs from others.
func (p *population) draw(e *endpoint) {
	if p.chance(0.53) {
		for range 1 + p.IntN(8) {
			if n := p.skewed(eventTypes); !slices.Contains(e.types, n) {
				e.types = append(e.types, n)
			}
		}
	}
	if p.chance(0.08) {
		e.channels = []string{p.words.channel(p.random)}
	}
	if p.chance(0.2) {
		e.uid = "hook-" + string(e.id[len(e.id)-10:])
	}
	switch special := p.IntN(1000); {
	case special < 10: // disabled or deleted at some point
		e.ends, e.deleted = p.moment(p.start, p.Now), special < 5
	case special < 20:
		e.fifo, e.failure = true, 0
		if special < 15 {
			e.blocked = p.moment(p.Now.Add(-18*time.Hour), p.Now)
		}
	case special < 25:
		e.pausedAt = p.moment(p.Now.Add(-12*time.Hour), p.Now)
	case special < 45:
		e.throttle = 1 + p.IntN(20)
	case special < 46:
		e.failure = 0.8
	}
}
