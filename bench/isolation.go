package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// isolationName measures what endpoints that cannot receive their webhooks cost those that can: the time from sending
// a message to its arrival, at a steady and moderate rate, first alone and then beside endpoints that are dead in
// some way, with a long backlog. The figure is the ratio of the two 99th percentiles, measured one after the other in
// the same process on one machine.
const isolationName = "isolation"

// isolationLimit is the highest acceptable median ratio.
const isolationLimit = 1.2

var errIsolation = errors.New("dead endpoints cost healthy ones too much: a median ratio is above the limit")

// compared is the result of one round of a variant.
type compared struct {
	alone, beside latency
	left          int // deliveries left of the backlog at the end
}

func (c compared) ratio() float64 { return float64(c.beside.p99) / float64(c.alone.p99) }

func (b *bench) isolation(ctx context.Context) error {
	binary, err := b.binaryOrBuild(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d messages a second for %s to %d endpoints, alone and beside %d waiting deliveries\n\n",
		b.rate, b.span, healthyEndpoints, b.backlog)
	fmt.Fprintf(b.out, "%5s  %-8s %12s %12s %12s %12s %7s %10s\n",
		"round", "beside", "alone p50", "p99", "beside p50", "p99", "ratio", "still owed")
	results := map[string][]float64{}
	for n := range b.rounds {
		for _, v := range b.variants() {
			c, err := b.compare(ctx, binary, v)
			if err != nil {
				return fmt.Errorf("round %d beside %s: %w", n+1, v.name, err)
			}
			results[v.name] = append(results[v.name], c.ratio())
			fmt.Fprintf(b.out, "%5d  %-8s %12s %12s %12s %12s %7.3f %10d\n", n+1, v.name,
				c.alone.p50, c.alone.p99, c.beside.p50, c.beside.p99, c.ratio(), c.left)
		}
	}
	return b.judgeIsolation(results)
}

func (b *bench) judgeIsolation(results map[string][]float64) error {
	fmt.Fprintln(b.out)
	var failure error
	for _, v := range b.variants() {
		ratios, verdict := spreadOf(results[v.name]), "PASS"
		if ratios.median > isolationLimit {
			verdict, failure = "FAIL", errIsolation
		}
		fmt.Fprintf(b.out, "%s: beside %s the ratio of p99 is: min %.3f, median %.3f, max %.3f; limit %.1f\n",
			verdict, v.name, ratios.min, ratios.median, ratios.max, isolationLimit)
	}
	return failure
}

// variants returns the variants that -beside names, or all.
func (b *bench) variants() []variant {
	if b.beside == "" {
		return allVariants
	}
	return slices.DeleteFunc(slices.Clone(allVariants), func(v variant) bool {
		return !slices.Contains(strings.Split(b.beside, ","), v.name)
	})
}

// compare measures on a new database, because what one variant leaves behind would affect the next.
func (b *bench) compare(ctx context.Context, binary string, v variant) (c compared, err error) {
	dir, err := os.MkdirTemp(b.dir, "isolation-*")
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil { // for the account of root's Postgres
		return c, err
	}
	secret := "POSTRIDER_JWT_SECRET=" + rand.Text() + rand.Text()
	token, err := tokenOf(ctx, binary, secret)
	if err != nil {
		return c, err
	}
	p, err := startPostrider(ctx, secret, "-binary", binary, "-dir", filepath.Join(dir, "data"))
	if err != nil {
		return c, err
	}
	defer p.stop()
	api := apiClient{base: "http://" + p.address, token: token}
	s, err := newSteady(ctx, b, api)
	if err != nil {
		return c, err
	}
	defer s.stop()
	if _, err := s.run(ctx, b.span/4); err != nil { // to warm up
		return c, err
	}
	if err := b.stockNothing(ctx, api, v); err != nil {
		return c, err
	}
	if c.alone, err = s.run(ctx, b.span); err != nil {
		return c, err
	}
	backlog, err := b.stock(ctx, api, v)
	if err != nil {
		return c, err
	}
	defer backlog.stop()
	if c.beside, err = s.run(ctx, b.span); err != nil {
		return c, err
	}
	c.left, err = backlog.left(ctx)
	return c, err
}

// latency is how long deliveries took.
type latency struct{ p50, p99 time.Duration }

func latencyOf(took []time.Duration) latency {
	slices.Sort(took)
	at := func(share int) time.Duration {
		return took[min(len(took)*share/100, len(took)-1)].Round(10 * time.Microsecond)
	}
	return latency{p50: at(50), p99: at(99)}
}
