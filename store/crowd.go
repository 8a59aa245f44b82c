package store

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

const (
	// sharedDeliveries bounds the deliveries of a statement for many callers, which must have fewer: 512 take about
	// 6 ms, and a full batch of messages with one delivery each fits.
	sharedDeliveries = batchRowsMax + 1

	// crowdDeliveries is the same bound for a statement for crowds: 25 ms. A single message may have more.
	crowdDeliveries = 2048

	// crowdWeight is how many deliveries per message make an application a crowd: an eighth of a shared statement.
	crowdWeight = 64

	// crowdWeightLeast is the weight that a crowd must exceed to remain one. At lower weights, a full batch is not
	// crowded out of a statement for crowds.
	crowdWeightLeast = crowdDeliveries / batchRowsMax

	// manyDeliveries is the number of an application's deliveries above which a statement returns the number: an
	// application needs at least crowdWeight to become a crowd.
	manyDeliveries = crowdWeight - 1

	// crowdsMax bounds the memory: 4096 x some 150 bytes. A forgotten crowd is crowded out once more.
	crowdsMax = 4096
)

// address identifies a message's application as the client named it.
type address struct {
	org core.OrgID
	ref string
}

func addressOf(m core.NewMessage) address { return address{m.OrgID, m.AppRef} }

// crowds records the applications whose messages fan out to enough deliveries to need separate statements, and how
// many deliveries each of their messages had recently.
type crowds struct {
	mu      sync.Mutex
	weights map[address]int
}

func newCrowds() *crowds { return &crowds{weights: map[address]int{}} }

// weight returns the number of deliveries per message of a crowd, or 0 if the application is not a crowd.
func (c *crowds) weight(a address) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.weights[a]
}

// fitting returns how many of the messages fit into one statement by their weights, at least one.
func (c *crowds) fitting(messages iter.Seq[core.NewMessage]) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, deliveries := 0, 0
	for m := range messages {
		deliveries += max(c.weights[addressOf(m)], 1)
		if n > 0 && deliveries >= crowdDeliveries {
			break
		}
		n++
	}
	return n
}

// sighting is what a statement reveals about an application.
type sighting struct {
	messages   int
	deliveries int // 0 if not many
	crowdedOut bool
	lockedOut  bool
}

// see updates the crowds from a statement's result.
func (c *crowds) see(messages []core.NewMessage, outcomes []outcome[insertion], rows []db.MessageInsertManyRow) {
	deliveries := map[core.AppID]int{}
	for _, row := range rows {
		if row.MessageID != "" {
			break // the rows are ordered by message id
		}
		deliveries[core.AppID(row.AppID)] = int(row.Deliveries)
	}
	seen := map[address]sighting{}
	for n, m := range messages {
		one := seen[addressOf(m)]
		one.messages++
		one.crowdedOut, one.lockedOut = outcomes[n].out.crowdedOut, outcomes[n].out.lockedOut
		one.deliveries = deliveries[outcomes[n].out.app]
		seen[addressOf(m)] = one
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for a, one := range seen {
		if !one.lockedOut { // otherwise its number of deliveries is unknown
			c.learn(a, one)
		}
	}
}

// learn decides whether an application is a crowd.
func (c *crowds) learn(a address, seen sighting) {
	weight, known := c.weights[a]
	if seen.crowdedOut {
		c.keep(a, min(max(2*weight, crowdWeight), crowdDeliveries))
		return
	}
	weight = (max(seen.deliveries, 1) + seen.messages - 1) / seen.messages
	switch {
	case weight >= crowdWeight, known && weight > crowdWeightLeast:
		c.keep(a, weight)
	case known:
		delete(c.weights, a)
	}
}

func (c *crowds) keep(a address, weight int) {
	if _, known := c.weights[a]; !known && len(c.weights) >= crowdsMax {
		for any := range c.weights {
			delete(c.weights, any)
			break
		}
	}
	c.weights[a] = weight
}

// sortCrowds makes crowds take turns: one message of each, then a second one of each, as many as fit. Crowds that
// had a turn come after the others in the next statement.
func sortCrowds[Out any](c *crowds, waiting []*call[core.NewMessage, Out]) int {
	turns := make(map[*call[core.NewMessage, Out]]int, len(waiting))
	next := map[address]int{}
	for _, w := range waiting {
		a := addressOf(w.in)
		turns[w] = next[a]
		next[a]++
	}
	slices.SortStableFunc(waiting, func(a, b *call[core.NewMessage, Out]) int { return cmp.Compare(turns[a], turns[b]) })
	fit := c.fitting(func(yield func(core.NewMessage) bool) {
		for _, w := range waiting {
			if !yield(w.in) {
				return
			}
		}
	})
	fit = min(fit, batchRowsMax)
	taken := map[address]int{}
	for _, w := range waiting[:fit] {
		taken[addressOf(w.in)] = 1
	}
	slices.SortStableFunc(waiting[fit:], func(a, b *call[core.NewMessage, Out]) int {
		return cmp.Compare(taken[addressOf(a.in)], taken[addressOf(b.in)])
	})
	return fit
}

// inParts stores messages in as many statements as their fan-out needs, and keeps the order of each application's
// messages. A message that is alone in its statement is stored whatever its fan-out. Messages of applications that
// another transaction has locked are left out. Like separately, inParts runs nothing after a failure that no row
// caused.
func inParts(c *crowds, messages []core.NewMessage, run func([]core.NewMessage, int64) ([]outcome[insertion], error)) []outcome[insertion] {
	outcomes := make([]outcome[insertion], len(messages))
	leftOut := map[address]insertion{}
	left := make([]int, len(messages)) // the indexes of messages that are not stored yet
	for place := range left {
		left[place] = place
	}
	most := len(messages)
	for len(left) > 0 {
		part := make([]core.NewMessage, len(left))
		for k, place := range left {
			part[k] = messages[place]
		}
		part = part[:min(c.fitting(slices.Values(part)), most)]
		done := separately(part, func(some []core.NewMessage) ([]outcome[insertion], error) {
			return inOrder(leftOut, some, run)
		})
		maps.DeleteFunc(leftOut, func(_ address, i insertion) bool { return !i.lockedOut })
		var crowdedOut []int
		for k, o := range done {
			outcomes[left[k]] = o
			if o.out.crowdedOut {
				crowdedOut = append(crowdedOut, left[k])
			}
		}
		left = append(crowdedOut, left[len(done):]...)
		if err := firstAgain(done); err != nil {
			for _, place := range left {
				outcomes[place] = outcome[insertion]{err: err}
			}
			return outcomes
		}
		most = len(messages)
		if len(crowdedOut) > 0 {
			most = max(len(part)/2, 1)
		}
	}
	return outcomes
}

// inOrder runs a statement without the messages of applications that an earlier statement left out, and notes which
// ones it leaves out itself. So no message is stored before an earlier one of the same application.
func inOrder(leftOut map[address]insertion, messages []core.NewMessage, run func([]core.NewMessage, int64) ([]outcome[insertion], error)) ([]outcome[insertion], error) {
	outcomes := make([]outcome[insertion], len(messages))
	var some []core.NewMessage
	var places []int
	for n, m := range messages {
		if earlier, ok := leftOut[addressOf(m)]; ok {
			outcomes[n].out = earlier
			continue
		}
		some, places = append(some, m), append(places, n)
	}
	if len(some) == 0 {
		return outcomes, nil
	}
	tooMany := int64(crowdDeliveries)
	if len(some) == 1 {
		tooMany = math.MaxInt64
	}
	done, err := run(some, tooMany)
	for k, o := range done {
		outcomes[places[k]] = o
		if o.out.leftOut() {
			leftOut[addressOf(some[k])] = o.out
		}
	}
	return outcomes, err
}
