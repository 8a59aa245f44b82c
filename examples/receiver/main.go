// Command receiver is an example of a webhook receiver. It verifies each webhook with the Standard Webhooks library,
// handles it once, and responds quickly:
//
//	WEBHOOK_SECRET=whsec_... go run ./examples/receiver
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	if err := run(); err != nil {
		slog.Error("receiver stopped", "error", err)
		os.Exit(1)
	}
}

func run() error {
	verifier, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		return fmt.Errorf("WEBHOOK_SECRET: %w", err)
	}
	server := http.Server{
		Addr: "127.0.0.1:8072",
		Handler: newReceiver(verifier, func(id string, payload []byte) error {
			_, err := fmt.Fprintf(os.Stdout, "%s %s\n", id, payload)
			return err
		}),
		ReadTimeout: 10 * time.Second,
	}
	slog.Info("receiver ready", "url", "http://"+server.Addr+"/")
	return server.ListenAndServe()
}

// payloadBytesMax is more than any payload of Postrider.
const payloadBytesMax = 4 << 20

// receiver passes each webhook to handle once.
type receiver struct {
	verifier *standardwebhooks.Webhook
	handle   func(id string, payload []byte) error

	// handled contains the ids of handled webhooks. A product keeps them in its database instead, in a unique column
	// that it writes in the same transaction as its own change.
	mu      sync.Mutex
	handled map[string]bool
}

func newReceiver(verifier *standardwebhooks.Webhook, handle func(id string, payload []byte) error) *receiver {
	return &receiver{verifier: verifier, handle: handle, handled: map[string]bool{}}
}

// ServeHTTP responds with 2xx if the webhook is handled, now or before. Otherwise it is sent again later.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, request.Body, payloadBytesMax))
	if err != nil {
		http.Error(w, "The body could not be read", http.StatusBadRequest)
		return
	}
	// Verify the bytes as received: JSON that is decoded and encoded again has another signature.
	if err := r.verifier.Verify(payload, request.Header); err != nil {
		http.Error(w, "The signature is not valid", http.StatusUnauthorized)
		return
	}
	if err := r.handleOnce(request.Header.Get("webhook-id"), payload); err != nil {
		slog.Error("webhook handling failed; will be sent again", "error", err)
		http.Error(w, "The webhook could not be handled", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// handleOnce recognises a duplicate webhook by its id, which is the same for all attempts.
func (r *receiver) handleOnce(id string, payload []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handled[id] {
		return nil
	}
	if err := r.handle(id, payload); err != nil {
		return err
	}
	r.handled[id] = true
	return nil
}
