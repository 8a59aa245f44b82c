package e2e

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

// proxy stands between two who talk over TCP, and can be made to do it badly.
type proxy struct{ *toxiproxy.Proxy }

func newProxy(t testing.TB, upstream string) proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := proxy{toxiproxy.NewProxy(server, "p", "127.0.0.1:0", upstream)}
	done(t, p.Start())
	t.Cleanup(p.Stop)
	return p
}

// trouble is a way in which a network fails. What toxiproxy calls it, with what.
type trouble struct {
	name       string
	attributes map[string]int
}

var (
	refusing = trouble{name: "refuses connections and cuts those there are"}
	troubles = []trouble{
		refusing,
		{"reset_peer", map[string]int{"timeout": 0}},
		{"timeout", map[string]int{"timeout": 0}}, // nothing gets through
		{"latency", map[string]int{"latency": 150, "jitter": 100}},
		{"slicer", map[string]int{"average_size": 40, "size_variation": 30, "delay": 200}}, // bytes, and microseconds
		{"limit_data", map[string]int{"bytes": 3000}},
	}
)

// disturb makes trouble, in both directions.
func (p proxy) disturb(tr trouble) error {
	if tr.name == refusing.name {
		p.Stop()
		return nil
	}
	for _, stream := range []string{"upstream", "downstream"} {
		toxic, err := json.Marshal(map[string]any{
			"name": stream, "type": tr.name, "stream": stream, "toxicity": 1, "attributes": tr.attributes,
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

// heal ends all trouble. What was cut stays so: the connections are new ones.
func (p proxy) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p.Toxics.ResetToxics(ctx)
	var err error
	waited := poll(ctx, func() bool {
		// Somebody may have the port for a moment, as the other end of a connection.
		err = p.Start()
		return err == nil || errors.Is(err, toxiproxy.ErrProxyAlreadyStarted)
	})
	if waited != nil {
		return fmt.Errorf("listen again: %w", err)
	}
	return nil
}
