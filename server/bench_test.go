package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func BenchmarkTokensParse(b *testing.B) {
	tokens := newTokens(b, time.Now)
	token, err := tokens.Org("org_a", core.OrgTokenLifetime)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Parse(token); err != nil {
			b.Fatal(err)
		}
	}
}

// nowhere returns at once without storing anything.
type nowhere struct{ core.MessageInserter }

func (nowhere) MessageInsert(_ context.Context, m core.NewMessage) (core.Message, error) {
	return m.Message, nil
}

// BenchmarkMessageCreate measures the cost of a message on its way to the store and back without the network: token,
// decoding, validation and answer.
func BenchmarkMessageCreate(b *testing.B) {
	tokens := newTokens(b, time.Now)
	handler := New(Config{
		Service: core.NewService(&fake{}, nowhere{}, nil, time.Now, core.EndpointRules{}),
		Tokens:  tokens, Log: slog.New(slog.DiscardHandler),
	})
	token, err := tokens.Org("org_a", core.OrgTokenLifetime)
	if err != nil {
		b.Fatal(err)
	}
	for name, size := range map[string]int{"200B": 200, "1kB": 1000, "100kB": 100_000} {
		b.Run(name, func(b *testing.B) {
			item := `{"id": "inv_123", "amount": 1250, "paid": true},`
			payload := `{"items": [` + strings.TrimSuffix(strings.Repeat(item, 1+size/len(item)), ",") + `]}`
			body := []byte(`{"eventType":"invoice.paid","payload":` + payload + `}`)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/api/v1/app/one/msg", io.NopCloser(bytes.NewReader(body)))
				r.ContentLength = int64(len(body))
				r.Header["Authorization"] = []string{"Bearer " + token}
				w := &discard{header: http.Header{}}
				handler.ServeHTTP(w, r)
				if w.status != http.StatusAccepted {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// discard is a ResponseWriter that keeps only the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header            { return d.header }
func (d *discard) WriteHeader(status int)         { d.status = status }
func (d *discard) Write(text []byte) (int, error) { return len(text), nil }
