package store

import (
	"context"
	"slices"
	"sync"

	"github.com/postrider/postrider/core"
)

// places limits how many callers run at a time. Customers take turns: if one customer makes a hundred requests,
// another customer's next request waits for at most one of them.
type places struct {
	most int
	each int // limit for one customer

	mu    sync.Mutex
	taken int
	by    map[core.Customer]int // places taken by each customer
	lines []*placeLine          // of waiting customers, in the order of their turns
}

// placeLine holds one customer's waiting requests for a place.
type placeLine struct {
	customer core.Customer
	waiting  []chan struct{} // each is closed once its request has a place
}

func newPlaces(most int) *places {
	return &places{most: most, each: most, by: map[core.Customer]int{}}
}

// enter waits for a place. If ctx ends first, it returns the cause.
func (p *places) enter(ctx context.Context) error {
	customer := core.CustomerOf(ctx)
	entered := p.join(customer)
	if entered == nil {
		return nil
	}
	select {
	case <-entered:
		return nil
	case <-ctx.Done():
	}
	if !p.withdraw(customer, entered) {
		p.leave(customer) // it was given a place at this moment
	}
	return context.Cause(ctx)
}

// join takes a place and returns nil. If none is free, it returns a channel that is closed once the caller has a
// place.
func (p *places) join(customer core.Customer) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken < p.most && p.by[customer] < p.each {
		p.take(customer)
		return nil
	}
	entered := make(chan struct{})
	if i := p.line(customer); i >= 0 {
		p.lines[i].waiting = append(p.lines[i].waiting, entered)
	} else {
		p.lines = append(p.lines, &placeLine{customer, []chan struct{}{entered}})
	}
	return entered
}

func (p *places) line(customer core.Customer) int {
	return slices.IndexFunc(p.lines, func(l *placeLine) bool { return l.customer == customer })
}

// withdraw removes a request that is still waiting, and reports whether it was.
func (p *places) withdraw(customer core.Customer, entered chan struct{}) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.line(customer)
	if i < 0 {
		return false
	}
	l := p.lines[i]
	n := slices.Index(l.waiting, entered)
	if n < 0 {
		return false
	}
	if l.waiting = slices.Delete(l.waiting, n, n+1); len(l.waiting) == 0 {
		p.lines = slices.Delete(p.lines, i, i+1)
	}
	return true
}

func (p *places) take(customer core.Customer) {
	p.taken++
	p.by[customer]++
}

// leave passes a customer's place on to the next request in turn that may have it.
func (p *places) leave(customer core.Customer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.by[customer]--; p.by[customer] == 0 {
		delete(p.by, customer)
	}
	i := slices.IndexFunc(p.lines, func(l *placeLine) bool { return p.by[l.customer] < p.each })
	if i < 0 {
		return
	}
	l := p.lines[i]
	p.take(l.customer)
	close(l.waiting[0])
	p.lines = slices.Delete(p.lines, i, i+1)
	if l.waiting = l.waiting[1:]; len(l.waiting) > 0 {
		p.lines = append(p.lines, l)
	}
}
