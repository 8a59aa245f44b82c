package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// opsSetting has a process answer health checks at an address of its own.
const opsSetting = "POSTRIDER_OPS_LISTEN=127.0.0.1:0"

// ops waits until the process is ready and returns the URL of its health checks.
func (p *process) ops(t testing.TB) string {
	t.Helper()
	p.ready(t)
	line, _ := readyLine(p.stdout.String())
	return "http://" + line.Ops
}

// probe asks one health check.
func probe(ctx context.Context, url string) (response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return response{}, err
	}
	return readResponse(httpClient.Do(request))
}

// awaitProbe waits until a health check is answered with this status and this text in it.
func awaitProbe(t testing.TB, url string, status int, text string) {
	t.Helper()
	await(t, func() string {
		got, err := probe(t.Context(), url)
		if err != nil || got.status != status || !strings.Contains(string(got.body), text) {
			return fmt.Sprintf("%s: %d %s, %v; want %d %s", url, got.status, got.body, err, status, text)
		}
		return ""
	})
}

// TestReadinessFollowsTheDatabase takes its writes, and then all of it, from a process.
func TestReadinessFollowsTheDatabase(t *testing.T) {
	t.Parallel()
	role, database := roleOfDatabase(t)
	p := start(t, settings(database, opsSetting), "serve")
	c, url := p.service(t).tenant(t), p.ops(t)
	app := c.application(t)
	const ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '%[1]s'"
	for _, trouble := range []struct {
		cause       string
		begin, over string
	}{
		{"25006", "ALTER ROLE %[1]s SET default_transaction_read_only = on", "ALTER ROLE %[1]s RESET default_transaction_read_only"},
		{"28000", "ALTER ROLE %[1]s NOLOGIN", "ALTER ROLE %[1]s LOGIN"},
	} {
		awaitProbe(t, url+"/readyz", http.StatusOK, `"ok"`)
		administerAll(t, role, []string{trouble.begin, ended})
		awaitProbe(t, url+"/readyz", http.StatusServiceUnavailable, trouble.cause)
		answer := c.call(t, http.StatusServiceUnavailable, "POST", "/api/v1/app/"+app+"/msg", `{"eventType":"e","payload":{}}`)
		if answer.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", trouble.cause)
		}
		if got, err := probe(t.Context(), url+"/livez"); err != nil || got.status != http.StatusOK {
			t.Errorf("%s: /livez: %d, %v", trouble.cause, got.status, err)
		}
		got := must(probe(t.Context(), url+"/readyz"))(t)
		if host := mustParse(database).Host; host != "" && strings.Contains(string(got.body), host) || strings.Contains(string(got.body), role) {
			t.Errorf("it says too much: %s", got.body)
		}
		administerAll(t, role, []string{trouble.over, ended})
	}
	awaitProbe(t, url+"/readyz", http.StatusOK, `"ok"`)
	c.message(t, app)
}

// TestReadinessBeginsWithTheParts has a process wait for its database.
func TestReadinessBeginsWithTheParts(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	for _, component := range []string{"serve", "worker"} {
		p := start(t, settings("postgres://nobody@127.0.0.1:1/none", "POSTRIDER_OPS_LISTEN="+address), component)
		awaitProbe(t, "http://"+address+"/livez", http.StatusOK, `"ok"`)
		awaitProbe(t, "http://"+address+"/readyz", http.StatusServiceUnavailable, "starting")
		got := command(t, []string{"POSTRIDER_OPS_LISTEN=" + address}, "healthcheck")
		if got.code != 1 || !strings.Contains(got.stderr, "starting") {
			t.Errorf("healthcheck: %+v", got)
		}
		p.kill()
	}
	if got := command(t, []string{"POSTRIDER_OPS_LISTEN=" + address}, "healthcheck"); got.code != 1 {
		t.Errorf("healthcheck of nothing: %+v", got)
	}
}

func TestHealthcheckAsksTheProcessOfTheSameSettings(t *testing.T) {
	t.Parallel()
	port := freeAddress(t)
	_, port, _ = net.SplitHostPort(port)
	p, _ := serve(t, "POSTRIDER_OPS_LISTEN=0.0.0.0:"+port)
	if got := command(t, p.settings(), "healthcheck"); got.code != 0 || !strings.Contains(got.stdout, "ok") {
		t.Errorf("%+v", got)
	}
}

// freeAddress is one that nobody listens on, and nobody else is given soon.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	return listener.Addr().String()
}

// TestOpsAddressIsAnErrorWhereItWasAskedFor, and only there, if another process has it.
func TestOpsAddressIsAnErrorWhereItWasAskedFor(t *testing.T) {
	t.Parallel()
	taken := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer taken.Close()
	got := command(t, settings(newDatabase(t), "POSTRIDER_OPS_LISTEN="+taken.Addr().String()), "worker")
	if got.code != 1 || !strings.Contains(got.stderr, "pass --ops-listen") {
		t.Errorf("%+v", got)
	}
	if other, err := net.Listen("tcp", "127.0.0.1:9071"); err == nil { // else somebody has it already
		defer other.Close()
	}
	p := start(t, settings(newDatabase(t), "POSTRIDER_OPS_LISTEN=127.0.0.1:9071"), "worker") // as by default
	p.ready(t)
	if n, _ := p.events("health checks disabled; the default address is in use"); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
}
