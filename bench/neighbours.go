package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// neighboursName measures what one customer can do to another. A small tenant sends a few messages per second, first
// alone and then during an attack by another organisation. The figures are the ratios of its latencies, measured in
// one process on one database, and Postrider's peak memory in that time.
const neighboursName = "neighbours"

const (
	// neighbourRatio is the highest acceptable median ratio of any latency.
	neighbourRatio = 1.5
	// neighbourMemory is the most memory in bytes that a process of Postrider may use with its default settings.
	neighbourMemory = 512 << 20
	// prepareLimit is how long an attack may take to prepare: some create 1,000 endpoints or 20,000 messages.
	prepareLimit = 3 * time.Minute
)

var errNeighbours = errors.New("an attack costs its neighbour too much")

// besides is the result of one round of an attack.
type besides struct {
	alone, beside neighbourFigures
	memory        int64 // the peak memory in bytes of a process of Postrider during the attack
	cores         cores // used during the attack
	attacked      attackFigures
}

// ratios returns the ratios of the latencies that customers notice.
func (s besides) ratios() map[string]float64 {
	of := func(beside, alone time.Duration) float64 { return float64(beside) / float64(max(alone, 1)) }
	return map[string]float64{
		"accept p50":  of(s.beside.accept.p50, s.alone.accept.p50),
		"accept p99":  of(s.beside.accept.p99, s.alone.accept.p99),
		"deliver p50": of(s.beside.deliver.p50, s.alone.deliver.p50),
		"deliver p99": of(s.beside.deliver.p99, s.alone.deliver.p99),
	}
}

func (b *bench) neighbours(ctx context.Context) error {
	attacks, err := attacksNamed(b.attack)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d messages a second for %s to one endpoint, alone and beside each attack, through %s\n",
		b.rate, b.span, strings.Join(b.components(), " + "))
	for _, a := range attacks {
		fmt.Fprintf(b.out, "  %-4s %s\n", a.name, a.about)
	}
	measured := map[string][]besides{}
	err = b.inTurn(ctx, func(name, binary string) error {
		fmt.Fprintf(b.out, "%-6s %-8s %12s %12s %12s %12s %9s %9s %7s %7s\n",
			"attack", "latency", "alone p50", "p99", "beside p50", "p99", "ratio p50", "ratio p99", "refused", "missing")
		for _, a := range attacks {
			s, err := b.attackOnce(ctx, binary, a)
			if err != nil {
				return fmt.Errorf("attack %s: %w", a.name, err)
			}
			b.printBesides(a, s)
			if name == oursName {
				measured[a.name] = append(measured[a.name], s)
			}
		}
		return nil
	})
	return errors.Join(err, b.judgeNeighbours(attacks, measured))
}

// attackOnce measures on a new database, because what an attack leaves behind would affect the next.
func (b *bench) attackOnce(ctx context.Context, binary string, a attack) (s besides, err error) {
	c, err := b.newCell(ctx, binary)
	if err != nil {
		return s, err
	}
	defer c.stop()
	attacker, err := b.startAttack(ctx, c, a)
	if err != nil {
		return s, err
	}
	defer func() { c.stop(); attacker.stop() }() // in this order, or webhooks fail for want of a receiver
	n, err := newNeighbour(ctx, b, c.api)
	if err != nil {
		return s, err
	}
	defer n.stop()
	if _, err := n.run(ctx, b.span/4); err != nil { // to warm up
		return s, err
	}
	if s.alone, err = n.run(ctx, b.span); err != nil {
		return s, err
	}
	err = b.besideAttack(ctx, c, a, attacker, n, &s)
	return s, err
}

// besideAttack measures the neighbour during the attack, and then ends the attack.
func (b *bench) besideAttack(ctx context.Context, c *cell, a attack, attacker *attackProcess, n *neighbour, s *besides) (err error) {
	release := func() {}
	if a.held != "" {
		if release, err = c.hold(ctx, fmt.Sprintf(a.held, attacker.App, attacker.Endpoint)); err != nil {
			return fmt.Errorf("hold the lock: %w", err)
		}
	}
	defer release()
	c.forgetPeaks()
	before, err := c.usage(ctx, attacker.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if err := attacker.control.call(ctx, http.MethodPost, "/begin", nil, nil); err != nil {
		return err
	}
	n.begin()
	n.sendFor(ctx, b.span)
	after, err := c.usage(ctx, attacker.cmd.Process.Pid)
	if err != nil {
		return err
	}
	release()
	if err := attacker.control.call(ctx, http.MethodPost, "/end", nil, &s.attacked); err != nil {
		return err
	}
	n.settle(ctx)
	s.beside, s.cores, s.memory = n.figures(), after.since(before), c.peak()
	return ctx.Err()
}

// attackProcess is an attacker that has prepared its attack.
type attackProcess struct {
	*process
	control apiClient
	attackSubject
}

// startAttack prepares an attack in a process of its own, so that the cost of its clients and receivers is not
// mistaken for the neighbour's. The process uses one processor at most.
func (b *bench) startAttack(ctx context.Context, c *cell, a attack) (*attackProcess, error) {
	token, err := tokenOf(ctx, c.binary, c.jwtSecret, "org_"+strings.ToLower(rand.Text()))
	if err != nil {
		return nil, err
	}
	args := []string{"-attack", a.name, "-base", c.api.base, "-token", token, "-payload", strconv.Itoa(b.payload)}
	p, address, err := startListener(ctx, attackName, []string{"GOMAXPROCS=1"}, args...)
	if err != nil {
		return nil, err
	}
	started := &attackProcess{process: p, control: apiClient{base: "http://" + address}}
	if err := started.control.call(ctx, http.MethodGet, "/subject", nil, &started.attackSubject); err != nil {
		p.stop()
		return nil, err
	}
	return started, nil
}

func (b *bench) printBesides(a attack, s besides) {
	r := s.ratios()
	fmt.Fprintf(b.out, "%-6s %-8s %12s %12s %12s %12s %9.2f %9.2f %7d\n", a.name, "accept", s.alone.accept.p50, s.alone.accept.p99,
		s.beside.accept.p50, s.beside.accept.p99, r["accept p50"], r["accept p99"], s.beside.refused)
	fmt.Fprintf(b.out, "%-6s %-8s %12s %12s %12s %12s %9.2f %9.2f %7s %7d\n", "", "deliver", s.alone.deliver.p50, s.alone.deliver.p99,
		s.beside.deliver.p50, s.beside.deliver.p99, r["deliver p50"], r["deliver p99"], "", s.beside.missing)
	fmt.Fprintf(b.out, "%-6s memory: %d MB at most; %s\n%-6s %s\n", "", s.memory>>20, s.cores, "", s.attacked)
}

// judgeNeighbours compares the medians of all rounds with the targets.
func (b *bench) judgeNeighbours(attacks []attack, measured map[string][]besides) error {
	fmt.Fprintln(b.out)
	var failure error
	for _, a := range attacks {
		faults, text := judgeBesides(measured[a.name])
		verdict := "PASS"
		if a.reference {
			verdict, faults = "    ", nil
		}
		if len(faults) > 0 {
			verdict, failure = "FAIL", errNeighbours
		}
		fmt.Fprintf(b.out, "%s: %-4s %s\n", verdict, a.name, text)
		for _, fault := range faults {
			fmt.Fprintf(b.out, "      %s\n", fault)
		}
	}
	return failure
}

// judgeBesides returns which results of some rounds miss their targets, and a summary of all of them.
func judgeBesides(rounds []besides) (faults []string, text string) {
	if len(rounds) == 0 {
		return []string{"it was not measured"}, ""
	}
	ratios := map[string][]float64{}
	memory, refused, missing := int64(0), 0, 0
	for _, s := range rounds {
		for name, r := range s.ratios() {
			ratios[name] = append(ratios[name], r)
		}
		memory, refused, missing = max(memory, s.memory), refused+s.beside.refused, missing+s.beside.missing
	}
	var parts []string
	for _, name := range []string{"accept p50", "accept p99", "deliver p50", "deliver p99"} {
		r := spreadOf(ratios[name])
		parts = append(parts, fmt.Sprintf("%s %.2f (%.2f to %.2f)", name, r.median, r.min, r.max))
		if r.median > neighbourRatio {
			faults = append(faults, fmt.Sprintf("the median ratio of %s is %.2f; limit %.1f", name, r.median, neighbourRatio))
		}
	}
	parts = append(parts, fmt.Sprintf("memory %d MB", memory>>20))
	if memory > neighbourMemory {
		faults = append(faults, fmt.Sprintf("%d MB of memory; limit %d", memory>>20, neighbourMemory>>20))
	}
	if refused+missing > 0 {
		faults = append(faults, fmt.Sprintf("%d messages were refused or not answered, and %d never arrived", refused, missing))
	}
	return faults, strings.Join(parts, ", ")
}

// attacksNamed returns the attacks in a comma-separated list, or all.
func attacksNamed(names string) ([]attack, error) {
	if names == "" {
		return allAttacks, nil
	}
	var some []attack
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(allAttacks, func(a attack) bool { return a.name == name })
		if at < 0 {
			return nil, fmt.Errorf("-attack: there is no %q", name)
		}
		some = append(some, allAttacks[at])
	}
	return some, nil
}
