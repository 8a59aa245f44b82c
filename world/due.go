package world

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Conn is a connection or a transaction.
type Conn interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// AddDue makes n retries due, the same number at each of the given number of endpoints, and returns how many it made:
// fewer if there are not enough messages. They are for the latest messages of ordinary endpoints that want everything
// and can be sent to at once. It works on any world, and repeatedly on the same.
func AddDue(ctx context.Context, conn Conn, at time.Time, n, endpoints int) (int, error) {
	if endpoints < 1 {
		return 0, errors.New("due retries need at least one endpoint")
	}
	each := (n + endpoints - 1) / endpoints
	// One endpoint after the other, each retry a little later than the previous one in its queue.
	tag, err := conn.Exec(ctx, `
		WITH chosen AS MATERIALIZED (
			SELECT endpoint.app_id, endpoint.id
			FROM endpoint
			JOIN application ON application.id = endpoint.app_id
				AND application.deleted_at IS NULL
				AND application.throttle_rate IS NULL
				AND coalesce(application.uid, '') NOT LIKE 'world-%'
			WHERE endpoint.event_types IS NULL
				AND endpoint.channels IS NULL
				AND endpoint.deleted_at IS NULL
				AND endpoint.paused_until IS NULL
				AND endpoint.throttle_rate IS NULL
				AND endpoint.failures = 0
				AND NOT endpoint.disabled
				AND NOT endpoint.fifo
			ORDER BY endpoint.app_id, endpoint.id
			LIMIT $1
		)
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, attempts, queue, resume_at)
		SELECT chosen.app_id, message.id, chosen.id, due.at, 1, 1, 1, due.at
		FROM chosen
		CROSS JOIN LATERAL (
			SELECT latest.id, row_number() OVER () AS n
			FROM (
				SELECT message.id
				FROM message
				WHERE message.app_id = chosen.app_id
					AND message.payload IS NOT NULL
				ORDER BY message.id DESC
				LIMIT $2
			) AS latest
		) AS message
		CROSS JOIN LATERAL (SELECT $3::timestamptz - make_interval(secs => message.n) AS at) AS due
		ON CONFLICT DO NOTHING`, endpoints, each, at)
	if err != nil {
		return 0, fmt.Errorf("adding due retries: %w", err)
	}
	return int(tag.RowsAffected()), nil
}
