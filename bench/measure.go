package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// bench is one run.
type bench struct {
	config
	dir    string // temporary
	secret string // of the endpoints
	out    io.Writer
}

const (
	// roundTimeout bounds a round in any case: 20,000 messages take seconds.
	roundTimeout = 5 * time.Minute
	// awaitTimeout is how long deliveries may take after the last message is accepted.
	awaitTimeout = time.Minute
)

// roundLimit bounds everything that is measured in a round.
func (c config) roundLimit() time.Duration {
	switch c.scenario {
	case snapshotName:
		return 2 * (c.span + recoverSpan + arrivePatience + roundTimeout)
	case retriesName:
		const slowest = 50 // per second
		return 2 * (roundTimeout + time.Duration(c.due/slowest)*time.Second)
	case sizingName:
		return 4 * c.sizingLimit() // two loads, of two postriders
	case neighboursName:
		return 2 * time.Duration(len(allAttacks)) * (prepareLimit + 3*(c.span+neighbourPatience+neighbourArrival))
	}
	return 3 * roundTimeout
}

// measure runs all rounds, and returns an error unless every message arrived and the median ratio reached the floor.
func measure(ctx context.Context, c config, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.rounds)*c.roundLimit())
	defer cancel()
	dir, err := os.MkdirTemp("", "postrider-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// If root starts it, the database runs as another user, who must be able to reach its directory.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	b := &bench{config: c, dir: dir, secret: newSecret(), out: out}
	if c.profile != "" {
		if err := os.MkdirAll(c.profile, 0o755); err != nil {
			return fmt.Errorf("-profile: %w", err)
		}
	}
	if c.scenario == isolationName {
		return b.isolation(ctx)
	}
	switch c.scenario {
	case snapshotName:
		return b.snapshot(ctx)
	case retriesName:
		return b.retries(ctx)
	case neighboursName:
		return b.neighbours(ctx)
	case sizingName:
		return b.sizing(ctx)
	}
	scenarios, err := b.scenarios(ctx)
	if err != nil {
		return err
	}
	if err := b.printHeader(); err != nil {
		return err
	}
	rounds, err := b.alternate(ctx, scenarios)
	if err != nil {
		return err
	}
	if b.scenario == kafkaName {
		return b.judgeKafka(rounds)
	}
	return b.summarise(rounds)
}

func (b *bench) scenarios(ctx context.Context) ([]scenario, error) {
	if b.scenario == kafkaName {
		return b.kafkaScenarios(ctx)
	}
	if b.only == relayName {
		return []scenario{b.relay()}, nil
	}
	binary, err := b.binaryOrBuild(ctx)
	if err != nil {
		return nil, err
	}
	serve, err := b.serve(ctx, serveName, binary)
	if err != nil || b.only == serveName {
		return []scenario{serve}, err
	}
	scenarios := []scenario{b.relay(), serve}
	if b.against != "" {
		against, err := b.serve(ctx, againstName, b.against)
		if err != nil {
			return nil, err
		}
		scenarios = append(scenarios, against)
	}
	return scenarios, nil
}

// alternate measures one scenario after the other, again and again, so that other load on the machine slows down all
// of them.
func (b *bench) alternate(ctx context.Context, scenarios []scenario) (map[string][]round, error) {
	rounds := map[string][]round{}
	var failures error
	for n := range b.rounds {
		for _, s := range scenarios {
			r, err := b.round(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("round %d of %s: %w", n+1, s.name, err)
			}
			rounds[s.name] = append(rounds[s.name], r)
			b.printRound(n, s.name, r, rounds[relayName])
			if err := r.err(); err != nil {
				failures = errors.Join(failures, fmt.Errorf("round %d of %s: %w", n+1, s.name, err))
			}
		}
	}
	return rounds, failures
}

// round measures a scenario once, in new processes.
func (b *bench) round(ctx context.Context, s scenario) (round, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	args := append([]string{"-secret", b.secret}, b.profileOf("receive-of-"+s.name)...)
	receiver, address, err := startListener(ctx, "receive", nil, args...)
	if err != nil {
		return round{}, err
	}
	defer receiver.stop()
	t, err := s.start(ctx, "http://"+address+hookPath)
	if err != nil {
		return round{}, err
	}
	defer t.stop()
	control := apiClient{base: "http://" + address}
	if b.warmup > 0 {
		if _, _, err := b.pass(ctx, t, control, b.warmup, nil); err != nil {
			return round{}, fmt.Errorf("warm-up: %w", err)
		}
	}
	sent, received, err := b.pass(ctx, t, control, b.messages, b.profileOf("load-of-"+s.name))
	if err != nil {
		return round{}, err
	}
	if n := len(sent.IDs); n > 0 {
		if err := t.check(ctx, []string{sent.IDs[0], sent.IDs[n/2], sent.IDs[n-1]}); err != nil {
			return round{}, err
		}
	}
	return newRound(b.messages, sent, received), nil
}

// pass sends messages and waits until all accepted ones have arrived.
func (b *bench) pass(ctx context.Context, t *target, control apiClient, messages int, profile []string) (sent sending, received receipt, err error) {
	if err := control.call(ctx, http.MethodPost, "/expect/"+strconv.Itoa(messages), nil, nil); err != nil {
		return sent, received, err
	}
	if t.send != nil {
		sent, err = t.send(ctx, messages)
	} else {
		sent, err = b.post(ctx, t, messages, profile)
	}
	if err != nil {
		return sent, received, err
	}
	err = control.call(ctx, http.MethodPost, "/await/"+awaitTimeout.String(), nil, &received)
	return sent, received, err
}

// post posts messages to the target's URL.
func (b *bench) post(ctx context.Context, t *target, messages int, profile []string) (sent sending, err error) {
	args := []string{
		"-url", t.url, "-token", t.token, "-messages", strconv.Itoa(messages), "-clients", strconv.Itoa(b.clients),
		"-payload", strconv.Itoa(b.payload), "-idempotency=" + strconv.FormatBool(b.idempotency),
	}
	text, err := output(ctx, "load", append(args, profile...)...)
	if err != nil {
		return sent, err
	}
	if err := json.Unmarshal(text, &sent); err != nil {
		return sent, fmt.Errorf("load: %w", err)
	}
	return sent, nil
}

// profileOf returns the flag that makes one of our processes write a profile; it keeps the last round's.
func (b *bench) profileOf(name string) []string {
	if b.profile == "" {
		return nil
	}
	return []string{"-profile", filepath.Join(b.profile, name+".pprof")}
}
