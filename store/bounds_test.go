package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// TestBoundsOfColumnsAreConstraints writes values directly that the service would refuse.
func TestBoundsOfColumnsAreConstraints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.exec("INSERT INTO event_type (org_id, name, description, archived, deprecated, created_at, updated_at) VALUES ('org_test', 'a', '', false, false, now(), now())")
	for _, stored := range NewMessageInserter(w.Store, nil).insertMany(t.Context(), w.events(1, func(int, *core.NewMessage) {})) {
		if stored.err != nil {
			t.Fatal(stored.err)
		}
	}
	const large = "(SELECT array_agg(md5(n::text)) FROM generate_series(1, 10000) AS n)"
	for table, columns := range map[string]map[string]string{
		"application": {"uid": "repeat('a', 257)", "name": "repeat('a', 4097)", "metadata": "jsonb_build_object('a', repeat('a', 16384))"},
		"endpoint": {
			"uid": "repeat('a', 257)", "url": "repeat('a', 131073)", "description": "repeat('a', 16385)", "event_types": large, "channels": large,
			"secret":      "convert_to(repeat('a', 524289), 'UTF8')",
			"old_secrets": "ARRAY[convert_to((SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) AS n), 'UTF8')], old_secrets_expire_at = '{2100-01-01}'",
			"headers":     "jsonb_build_object('a', repeat('a', 131072))", "metadata": "jsonb_build_object('a', repeat('a', 16384))",
		},
		"event_type": {
			"name": "repeat('a', 257)", "description": "repeat('a', 16385)", "group_name": "repeat('a', 257)", "feature_flags": large,
			"schemas": "json_build_object('a', repeat('a', 524288))",
		},
		"message": {
			"event_id": "repeat('a', 257)", "event_type": "repeat('a', 257)", "content_type": "repeat('a', 257)", "traceparent": "repeat('a', 257)",
			"payload": "repeat('a', 2097153)", "channels": large, "tags": large,
		},
	} {
		for column, value := range columns {
			_, err := w.pool.Exec(t.Context(), "UPDATE "+table+" SET "+column+" = "+value)
			if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "23514" {
				t.Errorf("%s.%s: %v, want a constraint to refuse it", table, column, err)
			}
		}
	}
}

// TestLargestThatServiceAcceptsIsStored checks that constraints refuse nothing that the service accepts.
func TestLargestThatServiceAcceptsIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service, scope := w.service(), core.Scope{OrgID: testOrg}
	long := func(n int) string { return strings.Repeat("a", n) }
	var types []string
	for n := range 1000 {
		types = append(types, fmt.Sprintf("%s%04d", long(252), n))
	}
	metadata := core.Metadata{} // as many entries as fit into 4,096 bytes; each takes more space in jsonb than in JSON
	for n := range 450 {
		metadata[strconv.FormatInt(int64(n), 36)+"x"] = ""
	}
	app := core.ApplicationIn{Name: long(4096), UID: new(long(256)), Metadata: metadata}
	if _, _, err := service.ApplicationCreate(t.Context(), scope, app, false); err != nil {
		t.Fatal(err)
	}
	in := core.EndpointIn{
		URL: "https://example.test/" + long(65536-21), Version: 1, Description: long(16384), UID: new(long(256)), Metadata: metadata,
		Channels: []string{}, Headers: core.Headers{},
	}
	for n := range 10 {
		in.Channels = append(in.Channels, long(255)+strconv.Itoa(n))
	}
	for n := range 100 {
		in.Headers[fmt.Sprintf("x-%03d", n)] = long(650)
	}
	for start := 0; start < len(types); start += 500 {
		imported := core.EventTypeImportIn{}
		for _, name := range types[start : start+500] {
			imported.Types = append(imported.Types, core.EventTypeIn{Name: name})
		}
		if _, err := service.EventTypeImport(t.Context(), scope, imported); err != nil {
			t.Fatal(err)
		}
	}
	in.EventTypes = types
	if _, err := service.EndpointCreate(t.Context(), scope, *app.UID, in); err != nil {
		t.Error(err)
	}
	schemas := `{"1":{"a":"` + long(524288-14) + `"}}`
	eventType := core.EventTypeIn{
		Name: long(256), Description: long(16384), GroupName: new(long(256)), FeatureFlags: types, Schemas: json.RawMessage(schemas),
	}
	if _, err := service.EventTypeCreate(t.Context(), scope, eventType); err != nil {
		t.Error(err)
	}
	message := core.MessageIn{
		EventType: long(256), EventID: new(long(256)), Channels: in.Channels, Tags: in.Channels[:5], ContentType: new(long(256)),
		Payload: []byte(`{"a":"` + long(2097152-8) + `"}`),
	}
	if _, err := service.MessageCreate(t.Context(), scope, *app.UID, message); err != nil {
		t.Error(err)
	}
}
