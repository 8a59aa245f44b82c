package store

import (
	_ "embed"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/postrider/postrider/core"
)

// Roles configures the script of [WriteRoles].
type Roles struct {
	Schema    string
	Producers []Producer
}

// Producer is a role that sends messages of one organisation through the outbox.
type Producer struct {
	Role  string
	OrgID core.OrgID
}

var (
	// producerName and producerOrg allow what can be written between any quotes of SQL.
	producerName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.@-]{0,62}$`)
	producerOrg  = regexp.MustCompile(`^org_[a-zA-Z0-9_.-]+$`)
)

// ParseProducer parses ROLE=ORG.
func ParseProducer(text string) (Producer, error) {
	role, org, _ := strings.Cut(text, "=")
	switch {
	case !producerName.MatchString(role):
		return Producer{}, errors.New("must be ROLE=ORG, with a role name of at most 63 letters, digits and _.@-")
	case !core.IsOrgID(org) || !producerOrg.MatchString(org):
		return Producer{}, errors.New("must be ROLE=ORG, with an organisation id: org_ and letters, digits and _.-")
	}
	return Producer{role, core.OrgID(org)}, nil
}

// TableRights says what the roles other than the owner may do with a table.
type TableRights struct {
	Table    string
	App      []string // privileges of the service, which are those that its queries need
	Readonly bool     // whether the role for reading may select its columns
	Hidden   []string // columns that the role for reading may not select
}

var (
	toRead   = []string{"SELECT"}
	toAppend = []string{"SELECT", "INSERT"}
	toChange = []string{"SELECT", "INSERT", "UPDATE"}
	toTake   = []string{"SELECT", "UPDATE", "DELETE"}
	toOwn    = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
)

// tableRights lists all tables. Partitions have no rights of their own, except that the service looks for rows that
// the default ones caught.
var tableRights = []TableRights{
	{Table: "application", App: toChange, Readonly: true},
	{Table: "attempt", App: toChange, Readonly: true, Hidden: []string{"url"}},
	{Table: "attempt_count", App: toOwn, Readonly: true},
	{Table: "attempt_default", App: toRead},
	{Table: "background_task", App: toOwn, Readonly: true},
	{Table: "delivery", App: toOwn, Readonly: true},
	{Table: "delivery_position", App: toOwn, Readonly: true},
	// The view endpoint_url shows URLs without user and password.
	{Table: "endpoint", App: toChange, Readonly: true, Hidden: []string{"headers", "old_secrets", "secret", "url"}},
	{Table: "event_type", App: toOwn, Readonly: true},
	{Table: "idempotency_key", App: toOwn, Readonly: true, Hidden: []string{"body"}}, // an answer may be a secret
	{Table: "message", App: toChange, Readonly: true},
	{Table: "message_default", App: toRead},
	{Table: "message_event_id", App: toAppend, Readonly: true},
	{Table: "message_key", App: toOwn, Readonly: true},
	{Table: "operational_event", App: toOwn, Readonly: true},
	{Table: "outbox", App: toTake, Readonly: true},
	{Table: "outbox_dead_letter", App: []string{"INSERT"}, Readonly: true},
	{Table: "schema_migrations", App: toRead, Readonly: true},
	{Table: "state_reader", App: toChange, Readonly: true},
	{Table: "token_revocation", App: toOwn, Readonly: true, Hidden: []string{"token_hash"}},
}

// appFunctions run with the rights of the owner, for the service alone. producerFunctions are for senders; other
// functions, which run with the rights of their caller, are for everybody who may use the schema.
var (
	appFunctions      = []string{"partition_analyze", "partition_create", "vacuum_held"}
	producerFunctions = []string{"message_send", "outbox_id_last"}
)

//go:embed roles.sql
var rolesText string

var rolesTemplate = template.Must(template.New("roles").Funcs(template.FuncMap{
	"list": func(words []string) string { return strings.Join(words, ", ") },
}).Parse(rolesText))

// WriteRoles writes the SQL script that makes the roles of a Postrider. It can be run again at any time.
func WriteRoles(w io.Writer, r Roles) error {
	if err := CheckSchema(r.Schema); err != nil {
		return err
	}
	return rolesTemplate.Execute(w, map[string]any{
		"Schema": r.Schema, "Producers": r.Producers, "Settings": SessionSettings(r.Schema),
		"SearchPath": Database{Schema: r.Schema}.searchPath(), "Tables": tableRights,
		"AppFunctions": appFunctions, "ProducerFunctions": producerFunctions,
	})
}

// appRights returns the privileges of the service as two parallel lists.
func appRights() (tables, privileges []string) {
	for _, t := range tableRights {
		tables = append(tables, slices.Repeat([]string{t.Table}, len(t.App))...)
		privileges = append(privileges, t.App...)
	}
	return tables, privileges
}
