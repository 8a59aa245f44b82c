package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/db"
)

// Pooler is the kind of connection pooler between us and Postgres.
type Pooler string

// The zero Pooler is PoolerNone. A pooler that gives each client a session of its own counts as none.
const (
	PoolerNone        Pooler = "none"
	PoolerTransaction Pooler = "transaction" // each transaction may run in another session
)

// CheckPooler returns an error for a pooler that is not known.
func CheckPooler(p Pooler) error {
	if p != PoolerNone && p != PoolerTransaction {
		return fmt.Errorf("%q is neither %s nor %s", p, PoolerNone, PoolerTransaction)
	}
	return nil
}

// PoolerVariable is the setting that tells us of a pooler. Errors name it.
const PoolerVariable = "POSTRIDER_DATABASE_POOLER"

// pooled reports whether statements run in sessions that we share with others.
func (d Database) pooled() bool { return d.Pooler == PoolerTransaction }

// Direct returns the database without a pooler if there is such a way to it, and otherwise the same.
func (d Database) Direct() Database {
	if d.DirectURL != "" {
		d.URL, d.DirectURL, d.Pooler = d.DirectURL, "", PoolerNone
	}
	return d
}

// poolerParameters are the startup parameters that poolers set in whatever session a client gets. Others have no
// effect, or make the pooler refuse the connection.
var poolerParameters = []string{"application_name", "client_encoding", "datestyle", "standard_conforming_strings", "timezone"}

// throughPooler prepares a configuration for a transaction pooler: no startup parameters, and no prepared statements,
// which would be in another session when they are used. Statements are described once per connection, so that
// parameters and results have the same formats as with prepared statements, and then sent with their text.
func throughPooler(config *pgx.ConnConfig, databaseURL string) error {
	delete(config.RuntimeParams, searchPathSetting) // ignored in any URL
	for name := range config.RuntimeParams {
		if !slices.Contains(poolerParameters, strings.ToLower(name)) {
			return fmt.Errorf("a transaction pooler does not pass on the parameter %q; remove it from the URL, or from the variable PGOPTIONS, and set it for the role", name)
		}
	}
	if !namesParameter(databaseURL, "default_query_exec_mode") { // PgBouncer 1.21 and newer can keep prepared statements
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

// errSettings is the error for sessions that lack settings of [SessionSettings].
type errSettings struct{ text string }

func (e *errSettings) Error() string { return e.text }

// checkSession returns an error unless the session that a pooler gives us has all settings that ours must have.
// Connections are checked when they are opened, which shows one session of the pooler each time.
func checkSession(ctx context.Context, conn db.DBTX, d Database) error {
	settings := SessionSettings(d.schema())
	names, _ := settingColumns(settings)
	session, err := queries.SessionSettingsAnyTenant(ctx, conn, names)
	if err != nil {
		return err
	}
	var wrong, commands []string
	for i, value := range session.Values {
		if s := settings[i]; !s.is(value) {
			wrong = append(wrong, fmt.Sprintf("%s is %q instead of %q", s.Name, value, s.Value))
			commands = append(commands, fmt.Sprintf("ALTER ROLE %s IN DATABASE %s SET %s;",
				pgx.Identifier{session.Role}.Sanitize(), pgx.Identifier{session.Database}.Sanitize(), s.SQL()))
		}
	}
	if wrong == nil {
		return nil
	}
	return &errSettings{"wrong settings behind the connection pooler: " + strings.Join(wrong, ", ") +
		"; run " + strings.Join(commands, " ") + " and then RECONNECT in PgBouncer's console"}
}

// checkSearchPath returns an error if a server ignored the startup parameter that selects the schema.
func checkSearchPath(searchPath string, d Database) error {
	want := Setting{searchPathSetting, d.searchPath()}
	if want.is(searchPath) {
		return nil
	}
	return &errSettings{fmt.Sprintf("search_path is %q instead of %q: a connection pooler ignored the startup parameter; set %s=%s",
		searchPath, want.Value, PoolerVariable, PoolerTransaction)}
}

const (
	codeProtocol        = "08P01" // of all errors of PgBouncer's own
	codeAlreadyPrepared = "42P05" // a statement of that name was prepared in the session by somebody else
	codeNotPrepared     = "26000" // the statement was prepared in another session
)

// isUndeclaredPooler reports whether an error shows that there is a transaction pooler that we treat as a server.
// PgBouncer has the same SQLSTATE for everything, so that only the text tells that it refused a startup parameter.
func isUndeclaredPooler(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == codeAlreadyPrepared || e.Code == codeNotPrepared ||
		e.Code == codeProtocol && strings.HasPrefix(e.Message, "unsupported startup parameter"))
}

// advised adds to an error of connecting what to do about it.
func advised(err error) error {
	if isUndeclaredPooler(err) {
		return fmt.Errorf("the server is a transaction pooler; set %s=%s: %w", PoolerVariable, PoolerTransaction, err)
	}
	return err
}

// isMisled reports whether an error means that connections do not lead to sessions as we need them.
func isMisled(err error) bool {
	_, wrong := errors.AsType[*errSettings](err)
	return wrong || isUndeclaredPooler(err)
}

// prepare returns what configures or checks each new connection of a pool.
func prepare(d Database) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, connectTimeout) // the pool sets none
		defer cancel()
		useUTC(conn)
		if d.pooled() {
			return checkSession(ctx, conn, d)
		}
		names, values := settingColumns(preparedSettings)
		searchPath, err := queries.ConnectionPrepareAnyTenant(ctx, conn, db.ConnectionPrepareAnyTenantParams{Names: names, SettingValues: values})
		if err != nil {
			return err
		}
		return checkSearchPath(searchPath, d)
	}
}
