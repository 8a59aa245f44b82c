package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestMessageIsSentIfAndOnlyIfItsTransactionCommits is what the outbox is for. The product's own table is in
// the same database, and nothing is configured.
func TestMessageIsSentIfAndOnlyIfItsTransactionCommits(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	s := start(t, settings(database), "serve").service(t)
	c := newClient(t, s.url, s.token(t)) // for the organisation of those who name none
	c.call(t, 201, "POST", "/api/v1/app", `{"name": "Acme", "uid": "acme"}`)
	receiver := newReceiver(t, nil)
	receiver.endpoint(t, c, "acme")
	conn := must(pgx.Connect(t.Context(), database))(t)
	t.Cleanup(func() { conn.Close(context.Background()) })
	must(conn.Exec(t.Context(), "CREATE TABLE invoice (id int, paid boolean)"))(t)
	for id := range 10 {
		tx := must(conn.Begin(t.Context()))(t)
		must(tx.Exec(t.Context(), "INSERT INTO invoice VALUES ($1, true)", id))(t)
		must(tx.Exec(t.Context(), "SELECT message_send('acme', 'invoice.paid', $1)", fmt.Sprintf(`{"invoice" : %d}`, id)))(t)
		if id%2 == 0 {
			done(t, tx.Commit(t.Context()))
		} else {
			done(t, tx.Rollback(t.Context()))
		}
	}
	await(t, func() string {
		if n := receiver.distinct(); n < 5 {
			return fmt.Sprintf("%d of 5 messages have arrived", n)
		}
		return ""
	})
	never(t, "a message arrived whose transaction was rolled back", func() bool { return receiver.distinct() > 5 })
	for _, a := range receiver.all() {
		var id int
		if _, err := fmt.Sscanf(string(a.body), `{"invoice" : %d}`, &id); err != nil || id%2 != 0 {
			t.Errorf("%s arrived", a.body)
		}
	}
}

func TestConsumeCheckTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	start(t, settings(database), "api").ready(t) // which migrates
	kafka := newKafka(t, "", database)
	file := filepath.Join(t.TempDir(), "sources.yaml")
	write := func(text string) { done(t, os.WriteFile(file, []byte(text), 0o600)) }
	check := func(more ...string) result {
		return command(t, settings(database, append(more, "POSTRIDER_SOURCES_FILE="+file)...), "consume", "--check")
	}

	write("sources:\n  - {name: box, outbox: {}}\n  - {name: events, " + kafka.source + "}\n")
	if got := check(); got.code != 0 || got.stdout != "box (postgresql): ok\nevents (kafka): ok\n" {
		t.Errorf("exit code %d, %q, %q", got.code, got.stdout, got.stderr)
	}
	write("sources:\n  - {name: box, outbox: {}}\n  - {name: events, " + strings.Replace(kafka.source, "[events]", "[nothing]", 1) + "}\n")
	if got := check(); got.code != 1 || !strings.Contains(got.stdout, "box (postgresql): ok\nevents (kafka): ") || !strings.Contains(got.stdout, "nothing") {
		t.Errorf("a topic that does not exist: exit code %d, %q, %q", got.code, got.stdout, got.stderr)
	}
	write("sources: [{name: queue, rabbitmq: {url: 'amqp://me:${PASSWORD}@127.0.0.1:1/', queue: q, dead_letter_exchange: dead}}]")
	if got := check("PASSWORD=" + password); got.code != 1 || !strings.Contains(got.stdout, "queue (rabbitmq): ") || strings.Contains(got.stdout+got.stderr, password) {
		t.Errorf("a broker that is away: exit code %d, %q, %q", got.code, got.stdout, got.stderr)
	}
	if got := check(); got.code != 2 || !strings.Contains(got.stderr, "PASSWORD is not set") {
		t.Errorf("a variable that is not set: exit code %d, %q, %q", got.code, got.stdout, got.stderr)
	}
}

func TestSourcesThatMakeNoSenseAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	const kafka = "kafka: {brokers: ['127.0.0.1:1'], topics: [t], group: g, dead_letter_topic: d}"
	for want, sources := range map[string]string{
		"yaml":                     "sources: [",
		`unknown field \"source\"`: "source: []",
		"there are 0":              "sources: []",
		"name: it needs 1":         "sources: [{name: 'a b', outbox: {}}]",
		"needs one of kafka":       "sources: [{name: a}]",
		"source 2 (a): another":    "sources: [{name: a, outbox: {}}, {name: a, outbox: {}}]",
		`unknown field \"topic\"`:  "sources: [{name: a, kafka: {topic: t}}]",
		"organization":             "sources: [{name: a, organization: acme, " + kafka + "}]",
		"none of json":             "sources: [{name: a, format: xml, " + kafka + "}]",
		"application is missing":   "sources: [{name: a, format: mapping, event_type: {topic: true}, " + kafka + "}]",
		"the table's columns":      "sources: [{name: a, organization: org_b, outbox: {}}]",
		"dead_letter_topic":        "sources: [{name: a, kafka: {brokers: ['127.0.0.1:1'], topics: [t], group: g}}]",
		"give one of them":         "sources: [{name: a, outbox: {}}]",
		"no such file":             "",
		"cannot start any token":   "\t",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			more := []string{"POSTRIDER_SOURCES=" + sources}
			switch want {
			case "give one of them":
				more = append(more, "POSTRIDER_SOURCES_FILE=x")
			case "no such file":
				more = []string{"POSTRIDER_SOURCES_FILE=" + filepath.Join(t.TempDir(), "none.yaml")}
			}
			got := command(t, settings("postgres://127.0.0.1:1/none", more...), "consume")
			if text := strings.ReplaceAll(got.stderr, `"`, `\"`); got.code != 2 || !strings.Contains(text, want) {
				t.Errorf("exit code %d, want 2; stderr %q, want %q", got.code, got.stderr, want)
			}
		})
	}
}
