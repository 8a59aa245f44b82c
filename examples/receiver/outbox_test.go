package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/postrider/postrider/app"
	"github.com/postrider/postrider/localpg/pgtest"
	"github.com/postrider/postrider/store"
)

var pg = pgtest.Template(func(ctx context.Context, url string) error { return store.Migrate(ctx, store.Database{URL: url}) })

func TestMain(m *testing.M) { pgtest.Main(m) }

const secret = "--jwt-secret=a-secret-of-this-test-and-of-nothing-else"

// patience allows for machines that are twenty times slower.
const patience = time.Minute

// TestReceiverGetsWhatTheOutboxExampleSends runs both examples as their README says.
func TestReceiverGetsWhatTheOutboxExampleSends(t *testing.T) {
	t.Parallel()
	url := pg.New(t)
	c := client{t: t, url: startPostrider(t, url), token: strings.TrimSpace(string(output(t, "token", secret)))}
	arrived := make(chan string, 1)
	var receiver http.Handler
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { receiver.ServeHTTP(w, r) }))
	t.Cleanup(endpoint.Close)
	c.call(http.MethodPost, "/app", `{"name": "Acme", "uid": "acme"}`)
	c.call(http.MethodPost, "/app/acme/endpoint", `{"url": "`+endpoint.URL+`", "uid": "main"}`)
	verifier, err := standardwebhooks.NewWebhook(c.call(http.MethodGet, "/app/acme/endpoint/main/secret", "")["key"].(string))
	if err != nil {
		t.Fatal(err)
	}
	receiver = newReceiver(verifier, func(_ string, payload []byte) error { arrived <- string(payload); return nil })
	for _, file := range []string{"../outbox/schema.sql", "../outbox/pay.sql"} {
		runSQL(t, url, file)
	}
	select {
	case payload := <-arrived:
		if want := `{"amount": 42.00, "invoice": 1}`; payload != want {
			t.Errorf("received %s instead of %s", payload, want)
		}
	case <-time.After(patience):
		t.Error("nothing arrived")
	}
}

// startPostrider runs all components on that database until the test ends, and returns the API's URL.
func startPostrider(t *testing.T, database string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, log := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- app.Main(ctx, []string{"serve", "--database-url=" + database, "--listen=127.0.0.1:0", "--ops-listen=",
			"--stop-delay=0s", "--allow-subnets=127.0.0.0/8", "--log-format=json", secret}, log, log)
		_ = log.Close() // a pipe, whose Close cannot fail
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("postrider exited with %d", code)
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var event struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &event) == nil && event.Msg == "ready" {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return "http://" + event.Address
		}
		t.Log(lines.Text())
	}
	t.Fatal("postrider did not start")
	return ""
}

func output(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := app.Main(t.Context(), args, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	return out.Bytes()
}

type client struct {
	t          *testing.T
	url, token string
}

func (c client) call(method, path, body string) (answer map[string]any) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	client := http.Client{Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode >= 300 {
		c.t.Fatalf("%s %s: %s %v %v", method, path, response.Status, answer, err)
	}
	return answer
}

// runSQL runs a file like psql.
func runSQL(t *testing.T, database, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.PgConn().Exec(t.Context(), string(text)).ReadAll(); err != nil {
		t.Errorf("%s: %v", file, err)
	}
}
