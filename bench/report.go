package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// round is the result of one round.
type round struct {
	wanted     int      // messages to send
	sent       int      // answered with 202
	refusal    string   // the first other answer
	delivered  int      // distinct ids that arrived
	duplicates int      // repeated arrivals
	lost       []string // accepted but never delivered
	unreadable int      // arrivals without a message's id
	forged     int      // wrong signatures
	took       time.Duration
}

func newRound(wanted int, s sending, r receipt) round {
	t := newTally(len(r.IDs))
	for _, id := range r.IDs {
		t.add(id)
	}
	return round{
		wanted: wanted, sent: len(s.IDs) + s.Acknowledged, refusal: s.Refusal, delivered: len(t.seen), duplicates: r.Duplicates,
		lost: t.missing(s.IDs), unreadable: r.Unreadable, forged: r.Forged, took: r.LastAt.Sub(s.FirstAt),
	}
}

// perSecond counts from the first request to the last arrival.
func (r round) perSecond() float64 { return float64(r.delivered) / r.took.Seconds() }

// err returns why the round is invalid. Duplicates do not make it so: delivery is at least once, and they are not
// counted as delivered.
func (r round) err() error {
	switch {
	case len(r.lost) > 0:
		return fmt.Errorf("%d messages were accepted and never arrived, such as %s", len(r.lost), r.lost[0])
	case r.sent != r.wanted:
		return fmt.Errorf("%d of %d messages were accepted; of the others the first: %s", r.sent, r.wanted, r.refusal)
	case r.delivered != r.sent || r.unreadable > 0:
		return fmt.Errorf("%d messages arrived that nobody sent", r.delivered-r.sent+r.unreadable)
	case r.forged > 0:
		return fmt.Errorf("%d of the signatures that were verified are wrong", r.forged)
	}
	return nil
}

func (b *bench) printHeader() error {
	synced, err := syncTime(b.dir)
	if err != nil {
		return err
	}
	keys := "without idempotency keys"
	if b.idempotency {
		keys = "with idempotency keys"
	}
	fmt.Fprintf(b.out, "%d messages a round of %d bytes, %s, sent by %d clients; %s, %d CPUs, a write to disk in %s takes %s\n\n",
		b.messages, b.payload, keys, b.clients, runtime.Version(), runtime.NumCPU(), os.TempDir(), synced.Round(10*time.Microsecond))
	fmt.Fprintf(b.out, "%5s  %-8s %8s %9s %10s %5s %8s %11s %6s\n",
		"round", "scenario", "sent", "delivered", "duplicates", "lost", "seconds", "delivered/s", "ratio")
	return nil
}

// syncTime returns how long a small write takes to reach the disk. A few microseconds mean that the temporary
// directory is in memory, where a database is unrealistically fast: set TMPDIR to another.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	const times = 20
	began := time.Now()
	for range times {
		if _, err := f.Write(make([]byte, 8192)); err != nil {
			return 0, errors.Join(err, f.Close())
		}
		if err := f.Sync(); err != nil {
			return 0, errors.Join(err, f.Close())
		}
	}
	return time.Since(began) / times, f.Close()
}

// printRound also prints the ratio to the preceding relay round.
func (b *bench) printRound(n int, name string, r round, relayed []round) {
	ratio := ""
	if name != relayName && len(relayed) > n {
		ratio = fmt.Sprintf("%.3f", r.perSecond()/relayed[n].perSecond())
	}
	fmt.Fprintf(b.out, "%5d  %-8s %8d %9d %10d %5d %8.2f %11.0f %6s\n",
		n+1, name, r.sent, r.delivered, r.duplicates, len(r.lost), r.took.Seconds(), r.perSecond(), ratio)
}

// errFloor results in exit code 1.
var errFloor = errors.New("storing costs too much: the ratio is below the floor")

func (b *bench) summarise(rounds map[string][]round) error {
	fmt.Fprintln(b.out)
	ratios := map[string]spread{}
	for _, name := range []string{relayName, serveName, againstName} {
		if len(rounds[name]) == 0 {
			continue
		}
		rates := spreadOf(figures(rounds[name], round.perSecond))
		fmt.Fprintf(b.out, "%-8s delivered/s: min %.0f, median %.0f, max %.0f", name, rates.min, rates.median, rates.max)
		if relayed := rounds[relayName]; name != relayName && len(relayed) > 0 {
			ratios[name] = spreadOf(ratiosOf(rounds[name], relayed))
			fmt.Fprintf(b.out, "; ratio to relay: min %.3f, median %.3f, max %.3f", ratios[name].min, ratios[name].median, ratios[name].max)
		}
		fmt.Fprintln(b.out)
	}
	if compared := rounds[againstName]; len(compared) > 0 {
		pairs := spreadOf(ratiosOf(rounds[serveName], compared))
		fmt.Fprintf(b.out, "%s to %s, %d pairs: min %.3f, median %.3f, max %.3f\n",
			serveName, againstName, len(compared), pairs.min, pairs.median, pairs.max)
	}
	got, judged := ratios[serveName]
	if !judged {
		return nil
	}
	verdict := "PASS"
	if got.median < b.floor {
		verdict = "FAIL"
	}
	fmt.Fprintf(b.out, "%s: the median ratio is %.3f, the floor %.2f\n", verdict, got.median, b.floor)
	if got.median < b.floor {
		return errFloor
	}
	return nil
}

func figures(rounds []round, of func(round) float64) []float64 {
	all := make([]float64, len(rounds))
	for i, r := range rounds {
		all[i] = of(r)
	}
	return all
}

// ratiosOf compares each round with the other one beside it.
func ratiosOf(rounds, others []round) []float64 {
	all := make([]float64, len(rounds))
	for i := range rounds {
		all[i] = rounds[i].perSecond() / others[i].perSecond()
	}
	return all
}
