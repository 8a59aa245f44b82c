package outbox

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/ingest/sourcetest"
)

func (b *broker) Remake(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	b.exec(t, "TRUNCATE outbox RESTART IDENTITY")
	b.Produce(t, messages...)
}

// Widen commits messages with lower ids than one that is already stored.
func (b *broker) Widen(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	b.run(t, func(ctx context.Context, conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		if err := send(ctx, tx, messages...); err != nil {
			return err
		}
		b.Produce(t, sourcetest.Produced{Body: sourcetest.OddBody("higher")})
		b.awaitEmpty(t)
		return tx.Commit(ctx)
	})
}

// awaitEmpty waits until all committed messages are removed.
func (b *broker) awaitEmpty(t testing.TB) {
	t.Helper()
	b.run(t, func(ctx context.Context, conn *pgx.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		poll := time.NewTicker(10 * time.Millisecond)
		defer poll.Stop()
		for n := -1; ; {
			if err := conn.QueryRow(ctx, "SELECT count(*) FROM outbox").Scan(&n); err != nil || n == 0 {
				return err
			}
			<-poll.C
		}
	})
}

func (b *broker) CloseDeadLetters(t testing.TB) (reopen func()) {
	t.Helper()
	b.exec(t, "ALTER TABLE outbox_dead_letter RENAME TO elsewhere")
	return func() { b.exec(t, "ALTER TABLE elsewhere RENAME TO outbox_dead_letter") }
}

// oddRows are columns of rows that no constraint prevents, or that are older than the constraint.
var oddRows = map[string]string{
	"no channels":              "channels => '{}'",
	"channels without text":    "channels => '{\"\"}'",
	"channels with a space":    "channels => '{a b}'",
	"channels twice":           "channels => '{a,a}'",
	"too many channels":        "channels => array_fill('a'::text, ARRAY[1000])",
	"a long channel":           "channels => ARRAY[repeat('a', 1000)]",
	"no tags":                  "tags => '{}'",
	"tags without text":        "tags => '{\"\"}'",
	"channels from 0":          "channels => '[0:1]={a,b}'",
	"tags from 7":              "tags => '[7:8]={a,b}'",
	"an event id without text": "event_id => ''",
	"an event id with a space": "event_id => 'a b'",
	"a long event id":          "event_id => repeat('a', 1000)",
	"a trace that is none":     "traceparent => 'none'",
	"a trace without text":     "traceparent => ''",
	"a long trace":             "traceparent => repeat('a', 100000)",
	"an event type of spaces":  "event_type => ' '",
	"an event type of nothing": "event_type => ''",
	"another organisation":     "org_id => 'org_other'",
	"no organisation":          "org_id => 'other'",
	"the operational one":      "org_id => 'org_00000000000OperationalWebhook'",
	"an application of dots":   "application => '..'",
	"an application of spaces": "application => 'a b'",
	"a payload that is text":   "payload => 'text'",
	"a payload of nothing":     "payload => ''",
	"a payload that is a list": "payload => '[]'",
	"half a surrogate":         `payload => '{"odd": "half a surrogate", "x": "\ud800"}'`,
	"an escaped NUL":           `payload => '{"odd": "an escaped NUL", "x": "\u0000"}'`,
	"a member twice":           `payload => '{"odd": "none", "odd": "a member twice"}'`,
	"a payload of 3 MiB":       `payload => '{"odd": "a payload of 3 MiB", "x": "' || repeat('x', 3 << 20) || '"}'`,
	"a payload nested deeply":  `payload => '{"odd": "a payload nested deeply", "x": ' || repeat('[', 9000) || repeat(']', 9000) || '}'`,
	"nested too deeply":        `payload => '{"x": ' || repeat('[', 100000) || repeat(']', 100000) || '}'`,
	"a time long before":       "created_at => '-infinity'",
	"a time long ahead":        "created_at => 'infinity'",
}

// Odd rows exist despite all constraints, like rows that are older than these.
func (b *broker) Odd(t testing.TB) (all []sourcetest.Odd) {
	t.Helper()
	b.exec(t, `DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = 'outbox'::regclass AND contype = 'c'
    LOOP
        EXECUTE format('ALTER TABLE outbox DROP CONSTRAINT %I', name);
    END LOOP;
END $$`)
	for name, columns := range oddRows {
		all = append(all, sourcetest.Odd{Name: name, Send: func(t testing.TB) {
			t.Helper()
			b.insert(t, name, columns)
		}})
	}
	return all
}

// insert inserts a row that is valid except for one column.
func (b *broker) insert(t testing.TB, name, column string) {
	t.Helper()
	row := map[string]string{
		"org_id": "'" + string(org) + "'", "application": "'" + sourcetest.App + "'", "event_type": "'test'",
		"payload": fmt.Sprintf(`'{"odd": %q}'`, name),
	}
	key, value, _ := strings.Cut(column, " => ")
	row[key] = value
	var names, values []string
	for name, value := range row {
		names, values = append(names, name), append(values, value)
	}
	b.exec(t, fmt.Sprintf("INSERT INTO outbox (%s) VALUES (%s)", strings.Join(names, ", "), strings.Join(values, ", ")))
}
