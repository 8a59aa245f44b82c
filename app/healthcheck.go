package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// healthcheckCommand is for images, which hold no shell and no curl.
type healthcheckCommand struct{}

const (
	// healthcheckTimeout is longer than the process takes to answer.
	healthcheckTimeout = readyTimeout + time.Second

	healthBytesMax = 4 << 10
)

// Run asks the process that was started with the same settings whether it is ready, and fails if it is not.
func (healthcheckCommand) Run(ctx context.Context, c *Config, con console) error {
	if c.OpsListen == "" {
		return errors.New("POSTRIDER_OPS_LISTEN is empty: there is nothing to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(c.OpsListen)+"/readyz", nil)
	if err != nil {
		return err
	}
	// Not by a proxy of the environment's.
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, healthBytesMax))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(text)))
	}
	con.printf("%s\n", strings.TrimSpace(string(text)))
	return nil
}

// reachable is an address to connect to, of one to listen on: all addresses of a machine are none of them.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
