package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Prometheus is a running Prometheus.
type Prometheus struct {
	*Process
	URL string
}

// FindPrometheus returns the path of an installed Prometheus. If there is none it skips the test, or fails it if
// E2E_PROMETHEUS is "required".
func FindPrometheus(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err == nil {
		return path
	}
	if os.Getenv("E2E_PROMETHEUS") == "required" {
		t.Fatalf("E2E_PROMETHEUS=required, and Prometheus is not installed: %v", err)
	}
	t.Skip("Prometheus is not installed (Debian's package is prometheus); E2E_PROMETHEUS=required makes this an error")
	return ""
}

// NewPrometheus starts a Prometheus with a configuration and the files that it names, by name. It runs until the test
// ends, and keeps its data in a directory of the test.
func NewPrometheus(t testing.TB, config string, files map[string]string) *Prometheus {
	t.Helper()
	path, dir := FindPrometheus(t), t.TempDir()
	write := func(name, text string) { NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)) }
	write("prometheus.yml", config)
	for name, text := range files {
		write(name, text)
	}
	address := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	cmd := exec.Command(path, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address)
	cmd.Dir = dir // its web pages are elsewhere, and nothing needs them
	p := &Prometheus{StartCommand(t, cmd, nil), "http://" + address}
	Await(t, func() string {
		if p.HasEnded() {
			t.Fatalf("prometheus ended: %s", Tail(p.Stderr.String()))
		}
		answer, err := HTTPClient.Get(p.URL + "/-/ready")
		if err != nil {
			return err.Error()
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return "prometheus is not ready: " + answer.Status
		}
		return ""
	})
	return p
}

// Series is a series of a query's result.
type Series struct {
	Metric map[string]string
	Value  [2]any   // time and value of an instant query
	Values [][2]any // the same of a range query
}

// Query evaluates an expression now.
func (p *Prometheus) Query(ctx context.Context, expression string) ([]Series, error) {
	return p.query(ctx, "query", url.Values{"query": {expression}})
}

// QueryRange evaluates an expression at every second since an instant, once if that is not over yet.
func (p *Prometheus) QueryRange(ctx context.Context, expression string, since time.Time) ([]Series, error) {
	begin := since.Unix()
	end := max(begin, time.Now().Unix())
	seconds := func(n int64) []string { return []string{strconv.FormatInt(n, 10)} }
	return p.query(ctx, "query_range", url.Values{"query": {expression}, "step": {"1"}, "start": seconds(begin), "end": seconds(end)})
}

func (p *Prometheus) query(ctx context.Context, kind string, values url.Values) ([]Series, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/v1/"+kind+"?"+values.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := ReadResponse(HTTPClient.Do(request))
	if err != nil {
		return nil, err
	}
	var out struct {
		Status, Error string
		Data          struct{ Result []Series }
	}
	if err := json.Unmarshal(answer.Body, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", Tail(string(answer.Body)), err)
	}
	if out.Status != "success" {
		return nil, fmt.Errorf("%s: %s", values.Get("query"), out.Error)
	}
	return out.Data.Result, nil
}
