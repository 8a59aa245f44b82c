package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/e2e/rig"
)

// TestOutboxSendsOnlyCommittedMessages checks the purpose of the outbox. The product's own table is in the same
// database, and nothing is configured.
func TestOutboxSendsOnlyCommittedMessages(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	s := rig.Start(t, rig.Settings(database), "serve").Service(t)
	c := rig.NewClient(t, s.URL, s.NewToken(t)) // for the default organisation
	c.Call(t, 201, "POST", "/api/v1/app", `{"name": "Acme", "uid": "acme"}`)
	receiver := rig.NewReceiver(t, nil)
	receiver.NewEndpoint(t, c, "acme")
	conn := rig.Must(pgx.Connect(t.Context(), database))(t)
	t.Cleanup(func() { conn.Close(context.Background()) })
	rig.Must(conn.Exec(t.Context(), "CREATE TABLE invoice (id int, paid boolean)"))(t)
	for id := range 10 {
		tx := rig.Must(conn.Begin(t.Context()))(t)
		rig.Must(tx.Exec(t.Context(), "INSERT INTO invoice VALUES ($1, true)", id))(t)
		rig.Must(tx.Exec(t.Context(), "SELECT message_send('acme', 'invoice.paid', $1)", fmt.Sprintf(`{"invoice" : %d}`, id)))(t)
		if id%2 == 0 {
			rig.NoError(t, tx.Commit(t.Context()))
		} else {
			rig.NoError(t, tx.Rollback(t.Context()))
		}
	}
	rig.Await(t, func() string {
		if n := receiver.Distinct(); n < 5 {
			return fmt.Sprintf("%d of 5 messages have arrived", n)
		}
		return ""
	})
	rig.Never(t, "a message arrived whose transaction was rolled back", func() bool { return receiver.Distinct() > 5 })
	for _, a := range receiver.All() {
		var id int
		if _, err := fmt.Sscanf(string(a.Body), `{"invoice" : %d}`, &id); err != nil || id%2 != 0 {
			t.Errorf("%s arrived", a.Body)
		}
	}
}

func TestConsumeCheckReportsErrors(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	rig.Start(t, rig.Settings(database), "api").AwaitReady(t) // applies the migrations
	kafka := rig.NewKafka(t, "", database)
	file := filepath.Join(t.TempDir(), "sources.yaml")
	write := func(text string) { rig.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	check := func(more ...string) rig.Result {
		return rig.Command(t, rig.Settings(database, append(more, "POSTRIDER_SOURCES_FILE="+file)...), "consume", "--check")
	}

	write("sources:\n  - {name: box, outbox: {}}\n  - {name: events, " + kafka.Source + "}\n")
	if got := check(); got.Code != 0 || got.Stdout != "box (postgresql): ok\nevents (kafka): ok\n" {
		t.Errorf("exit code %d, %q, %q", got.Code, got.Stdout, got.Stderr)
	}
	write("sources:\n  - {name: box, outbox: {}}\n  - {name: events, " + strings.Replace(kafka.Source, "[events]", "[nothing]", 1) + "}\n")
	if got := check(); got.Code != 1 || !strings.Contains(got.Stdout, "box (postgresql): ok\nevents (kafka): ") || !strings.Contains(got.Stdout, "nothing") {
		t.Errorf("a topic that does not exist: exit code %d, %q, %q", got.Code, got.Stdout, got.Stderr)
	}
	write("sources: [{name: queue, rabbitmq: {url: 'amqp://me:${PASSWORD}@127.0.0.1:1/', queue: q, dead_letter_exchange: dead}}]")
	if got := check("PASSWORD=" + password); got.Code != 1 || !strings.Contains(got.Stdout, "queue (rabbitmq): ") || strings.Contains(got.Stdout+got.Stderr, password) {
		t.Errorf("a broker that is away: exit code %d, %q, %q", got.Code, got.Stdout, got.Stderr)
	}
	if got := check(); got.Code != 2 || !strings.Contains(got.Stderr, "PASSWORD is not set") {
		t.Errorf("a variable that is not set: exit code %d, %q, %q", got.Code, got.Stdout, got.Stderr)
	}
}

func TestSourceInvalidIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	const kafka = "kafka: {brokers: ['127.0.0.1:1'], topics: [t], group: g, dead_letter_topic: d}"
	for want, sources := range map[string]string{
		"yaml":                     "sources: [",
		`unknown field \"source\"`: "source: []",
		"0 are listed":             "sources: []",
		"name: use 1 to 64":        "sources: [{name: 'a b', outbox: {}}]",
		"exactly one of kafka":     "sources: [{name: a}]",
		"source 2 (a): another":    "sources: [{name: a, outbox: {}}, {name: a, outbox: {}}]",
		`unknown field \"topic\"`:  "sources: [{name: a, kafka: {topic: t}}]",
		"organization":             "sources: [{name: a, organization: acme, " + kafka + "}]",
		"none of json":             "sources: [{name: a, format: xml, " + kafka + "}]",
		"application is missing":   "sources: [{name: a, format: mapping, event_type: {topic: true}, " + kafka + "}]",
		"the columns of the table": "sources: [{name: a, organization: org_b, outbox: {}}]",
		"dead_letter_topic":        "sources: [{name: a, kafka: {brokers: ['127.0.0.1:1'], topics: [t], group: g}}]",
		"set one of them":          "sources: [{name: a, outbox: {}}]",
		"no such file":             "",
		"cannot start any token":   "\t",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			more := []string{"POSTRIDER_SOURCES=" + sources}
			switch want {
			case "set one of them":
				more = append(more, "POSTRIDER_SOURCES_FILE=x")
			case "no such file":
				more = []string{"POSTRIDER_SOURCES_FILE=" + filepath.Join(t.TempDir(), "none.yaml")}
			}
			got := rig.Command(t, rig.Settings("postgres://127.0.0.1:1/none", more...), "consume")
			if text := strings.ReplaceAll(got.Stderr, `"`, `\"`); got.Code != 2 || !strings.Contains(text, want) {
				t.Errorf("exit code %d, want 2; stderr %q, want %q", got.Code, got.Stderr, want)
			}
		})
	}
}
