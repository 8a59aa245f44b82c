package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"time"
)

// receiver is a webhook receiver for trying out Postrider.
type receiver struct {
	verifier verifier           // nil without a secret
	handle   func(received) int // returns the status code of the response
}

// received is one request.
type received struct {
	Header   http.Header
	Payload  []byte
	Verified error // nil if the signature is valid
}

var errNoSecret = errors.New("not checked; pass --secret")

const receivedBytesMax = 4 << 20

func newReceiver(secret string, handle func(received) int) (*receiver, error) {
	r := &receiver{handle: handle}
	if secret == "" {
		return r, nil
	}
	var err error
	r.verifier, err = newVerifier(secret)
	return r, err
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, request.Body, receivedBytesMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	got := received{Header: request.Header, Payload: payload, Verified: errNoSecret}
	if r.verifier != nil {
		got.Verified = r.verifier.Verify(payload, request.Header)
	}
	w.WriteHeader(r.handle(got))
}

// serveHTTP serves until ctx ends.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	s := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// text returns the request in readable form.
func (r received) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", time.Now().Format(time.RFC3339), r.Header.Get("webhook-id"))
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&b, "  %s: %s\n", strings.ToLower(name), strings.Join(r.Header[name], ", "))
	}
	fmt.Fprintf(&b, "  %s\n", r.Payload)
	if r.Verified == nil {
		b.WriteString("  signature: verified\n")
	} else {
		fmt.Fprintf(&b, "  signature: %s\n", r.Verified)
	}
	return b.String()
}

const listenDefault = "127.0.0.1:8072"

type listenCommand struct {
	Address string `arg:"" optional:"" default:"127.0.0.1:8072" help:"Address to listen on, as host:port."`
	Secret  string `env:"POSTRIDER_LISTEN_SECRET" placeholder:"WHSEC" help:"Secret (whsec_...) or public key (whpk_...) of the endpoint, which verifies signatures."`
	Status  int    `default:"204" help:"HTTP status code to answer with."`
}

// Validate returns an error that names a setting with an invalid value.
func (l *listenCommand) Validate() error {
	if !isHostPort(l.Address) {
		return fmt.Errorf("address: %q is not host:port", l.Address)
	}
	if l.Status < 200 || l.Status > 599 {
		return fmt.Errorf("--status: %d is not between 200 and 599", l.Status)
	}
	if _, err := newReceiver(l.Secret, nil); err != nil {
		return fmt.Errorf("POSTRIDER_LISTEN_SECRET: %w", err)
	}
	return nil
}

// Run prints each webhook until it is stopped.
func (l listenCommand) Run(ctx context.Context, con console) error {
	r, err := newReceiver(l.Secret, func(got received) int {
		con.printf("%s\n", got.text())
		return l.Status
	})
	if err != nil {
		return err
	}
	listener, err := listenOn(ctx, l.Address, "address", "pass another address")
	if err != nil {
		return err
	}
	con.printf("Waiting for webhooks at http://%s/ (Ctrl-C stops)\n\n", listener.Addr())
	return serveHTTP(ctx, listener, r)
}
