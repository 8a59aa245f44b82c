package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// scenario is a service that messages are sent through. Each round starts it anew, so that nothing of the other
// scenarios runs while one is measured.
type scenario struct {
	name  string
	start func(ctx context.Context, hook string) (*target, error) // hook: the receiver's URL
}

// target is a running service with one endpoint.
type target struct {
	url   string // where messages are posted
	token string
	app   string
	check func(ctx context.Context, ids []string) error            // checks some delivered messages
	send  func(ctx context.Context, messages int) (sending, error) // nil: messages are posted to url
	stop  func()
}

const (
	throughputName = "throughput"

	relayName   = "relay"
	serveName   = "serve"
	againstName = "against"
)

// newSecret returns a random endpoint secret.
func newSecret() string {
	key := make([]byte, 24)
	rand.Read(key) // never fails: it ends the process instead
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

func (b *bench) relay() scenario {
	return scenario{relayName, func(ctx context.Context, hook string) (*target, error) {
		args := []string{"-target", hook, "-secret", b.secret}
		p, address, err := startListener(ctx, relayName, nil, append(args, b.profileOf(relayName)...)...)
		if err != nil {
			return nil, err
		}
		return &target{
			url: "http://" + address + "/api/v1/app/bench/msg", token: "a.bearer.token",
			check: func(context.Context, []string) error { return nil }, stop: p.stop,
		}, nil
	}}
}

// serve returns a scenario for the postrider at path. Only the one that is judged exports telemetry.
func (b *bench) serve(ctx context.Context, name, path string) (scenario, error) {
	s, err := b.newServed(ctx, name, path)
	return scenario{name, func(ctx context.Context, hook string) (*target, error) {
		if name == serveName && b.traces > 0 {
			return s.observed(ctx, b.traces, hook)
		}
		return s.start(ctx, hook, "")
	}}, err
}

// served is a postrider that keeps its data in the same directory over all rounds.
type served struct {
	path, dir string
	jwtSecret string // as a variable's value
	token     string
	secret    string // of the endpoints
}

func (b *bench) newServed(ctx context.Context, name, path string) (served, error) {
	s := served{path: path, dir: filepath.Join(b.dir, name), jwtSecret: "POSTRIDER_JWT_SECRET=" + rand.Text() + rand.Text(), secret: b.secret}
	var err error
	s.token, err = tokenOf(ctx, path, s.jwtSecret)
	return s, err
}

// start starts it with one endpoint and, if given, these sources and more arguments of the role serve.
func (s served) start(ctx context.Context, hook, sources string, more ...string) (*target, error) {
	p, err := startPostrider(ctx, s.jwtSecret, append([]string{"-binary", s.path, "-dir", s.dir, "-sources", sources}, more...)...)
	if err != nil {
		return nil, err
	}
	api := apiClient{base: "http://" + p.address, token: s.token}
	app, err := api.newEndpoint(ctx, hook, s.secret)
	if err != nil {
		p.stop()
		return nil, err
	}
	check := func(ctx context.Context, ids []string) error {
		for _, id := range ids {
			if err := api.checkRecorded(ctx, app, id); err != nil {
				return err
			}
		}
		return nil
	}
	return &target{url: api.base + "/api/v1/app/" + app + "/msg", token: api.token, app: app, check: check, stop: p.stop}, nil
}

// tokenOf makes the postrider at path issue a token, for an organisation if one is named.
func tokenOf(ctx context.Context, path, jwtSecret string, organisation ...string) (string, error) {
	cmd := exec.CommandContext(ctx, path, append([]string{"token"}, organisation...)...)
	cmd.Env = append(cleanEnvironment(), jwtSecret)
	token, err := cmd.Output() // its standard error becomes part of the error
	if err != nil {
		return "", fmt.Errorf("%s token: %w", path, err)
	}
	return strings.TrimSpace(string(token)), nil
}

// binaryOrBuild returns the postrider that was named, or builds that of the working tree.
func (b *bench) binaryOrBuild(ctx context.Context) (string, error) {
	if b.binary != "" {
		return b.binary, nil
	}
	return b.build(ctx)
}

// build builds postrider from the working tree.
func (b *bench) build(ctx context.Context) (string, error) {
	path := filepath.Join(b.dir, "postrider")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/postrider/postrider")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build postrider: %w", err)
	}
	return path, nil
}
