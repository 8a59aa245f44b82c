package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy is a TCP proxy that can misbehave.
type Proxy struct{ *toxiproxy.Proxy }

// NewProxy starts a proxy to an address. It runs until the test ends.
func NewProxy(t testing.TB, upstream string) Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := Proxy{toxiproxy.NewProxy(server, "p", "127.0.0.1:0", upstream)}
	NoError(t, p.Start())
	t.Cleanup(p.Stop)
	return p
}

// Trouble is a network fault: the name of a toxic of toxiproxy, and its attributes.
type Trouble struct {
	Name       string
	Attributes map[string]int
}

var (
	// Refusing closes all connections and refuses new ones. It is not a toxic.
	Refusing = Trouble{Name: "refuses connections and cuts those there are"}
	troubles = []Trouble{
		Refusing,
		{"reset_peer", map[string]int{"timeout": 0}},
		{"timeout", map[string]int{"timeout": 0}}, // no data gets through
		{"latency", map[string]int{"latency": 150, "jitter": 100}},
		{"slicer", map[string]int{"average_size": 40, "size_variation": 30, "delay": 200}}, // bytes and microseconds
		{"limit_data", map[string]int{"bytes": 3000}},
	}
)

// Disturb starts a fault in both directions.
func (p Proxy) Disturb(tr Trouble) error {
	if tr.Name == Refusing.Name {
		p.Stop()
		return nil
	}
	for _, stream := range []string{"upstream", "downstream"} {
		toxic, err := json.Marshal(map[string]any{
			"name": stream, "type": tr.Name, "stream": stream, "toxicity": 1, "attributes": tr.Attributes,
		})
		if err != nil {
			return err
		}
		if _, err := p.Toxics.AddToxicJson(bytes.NewReader(toxic)); err != nil {
			return err
		}
	}
	return nil
}

// Heal ends all faults. Connections that were cut stay closed.
func (p Proxy) Heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	p.Toxics.ResetToxics(ctx)
	var err error
	waited := poll(ctx, func() bool {
		// The port may be in use for a moment, as the local port of another connection.
		err = p.Start()
		return err == nil || errors.Is(err, toxiproxy.ErrProxyAlreadyStarted)
	})
	if waited != nil {
		return fmt.Errorf("listen again: %w", err)
	}
	return nil
}
