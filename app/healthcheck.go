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

// healthcheckCommand is for container images, which have no shell and no curl.
type healthcheckCommand struct{}

const (
	// healthcheckTimeout is longer than the process takes to answer.
	healthcheckTimeout = readyTimeout + time.Second

	healthBytesMax = 4 << 10
)

// Run returns an error unless the process that was started with the same settings is ready.
func (healthcheckCommand) Run(ctx context.Context, c *Config, con console) error {
	if c.OpsListen == "" {
		return errors.New("POSTRIDER_OPS_LISTEN is empty, so the process answers no health checks")
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(c.OpsListen)+"/readyz", nil)
	if err != nil {
		return err
	}
	// The proxy variables of the environment are ignored.
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

// reachable converts a listen address, which may mean all addresses of the machine, to an address to connect to.
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
