package main

import "encoding/json"

// batchOne is a request for one message.
func batchOne(payload int) json.RawMessage {
	body := append([]byte(nil), `{"eventType":"invoice.paid","payload":`...)
	return append(appendPayload(body, 0, payload), '}')
}

// Statements that multiply a database of one application: they copy its row, its endpoint's and its message's, with
// new ids. An id is 27 characters after its prefix, and begins with the time.
const (
	appCopies = `
		INSERT INTO application
		SELECT copy.*
		FROM application AS base
		CROSS JOIN generate_series(1, @apps::int) AS a(n)
		CROSS JOIN LATERAL jsonb_populate_record(base,
			jsonb_build_object('id', left(base.id, 16) || lpad(a.n::text, 15, '0'))) AS copy
		WHERE base.id = @app`

	endpointCopies = `
		INSERT INTO endpoint
		SELECT copy.*
		FROM endpoint AS base
		CROSS JOIN generate_series(0, @endpoints::int - 1) AS e(n)
		CROSS JOIN LATERAL jsonb_populate_record(base, jsonb_build_object(
			'app_id', left(base.app_id, 16) || lpad((e.n % @apps::int + 1)::text, 15, '0'),
			'id', left(base.id, 15) || lpad(e.n::text, 15, '0'))) AS copy
		WHERE base.app_id = @app`

	// Each endpoint gets messages of its own, interleaved with those of the others.
	messageCopies = `
		INSERT INTO message
		SELECT copy.*
		FROM message AS base
		CROSS JOIN generate_series(0, @endpoints::int * @each::int - 1) AS m(n)
		CROSS JOIN LATERAL jsonb_populate_record(base, jsonb_build_object(
			'app_id', left(base.app_id, 16) || lpad((m.n % @apps::int + 1)::text, 15, '0'),
			'id', left(base.id, 16) || lpad(m.n::text, 15, '0'))) AS copy
		WHERE base.app_id = @app`
)

// Statements that choose endpoints with enough messages, so that no message is pending at two of them: the receiver
// counts messages.
const (
	endpointChosen = `CREATE TABLE bench_endpoint (app_id text, id text, n bigint, of_app bigint, PRIMARY KEY (app_id, id))`

	endpointChoose = `
		WITH stocked AS ( -- of an index alone: the few whose payloads are gone make a few retries less
			SELECT message.app_id, count(*) AS messages
			FROM message
			GROUP BY message.app_id
		),
		able AS (
			SELECT endpoint.app_id, endpoint.id
			FROM (
				SELECT endpoint.app_id, endpoint.id, row_number() OVER (PARTITION BY endpoint.app_id ORDER BY endpoint.id) AS n
				FROM endpoint
				WHERE endpoint.deleted_at IS NULL
					AND NOT endpoint.fifo
			) AS endpoint
			JOIN stocked ON stocked.app_id = endpoint.app_id
			WHERE endpoint.n * @each::int <= stocked.messages
			ORDER BY md5(endpoint.id)
			LIMIT @endpoints::int
		)
		INSERT INTO bench_endpoint
		SELECT able.app_id, able.id, row_number() OVER app - 1, count(*) OVER (PARTITION BY able.app_id)
		FROM able
		WINDOW app AS (PARTITION BY able.app_id ORDER BY able.id)`

	// The endpoints are reachable, and nothing slows them down.
	endpointPoint = `
		UPDATE endpoint
		SET url = @url, disabled = false, disabled_reason = NULL, failures = 0, failing_since = NULL, throttle_rate = NULL,
			throttled_until = NULL, paused_at = NULL, paused_until = NULL
		FROM bench_endpoint
		WHERE bench_endpoint.app_id = endpoint.app_id
			AND bench_endpoint.id = endpoint.id`

	appUnthrottle = `
		UPDATE application
		SET throttle_rate = NULL, throttled_until = NULL, deleted_at = NULL
		WHERE application.id IN (SELECT bench_endpoint.app_id FROM bench_endpoint)`

	// dueInsert makes $1 retries due at each endpoint. The columns that are not named keep their defaults.
	dueInsert = `
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, resume_at, lease, attempts, queue)
		SELECT bench_endpoint.app_id, message.id, bench_endpoint.id, due.at, due.at, 1, 1, 1
		FROM (SELECT bench_endpoint.app_id, count(*) AS endpoints FROM bench_endpoint GROUP BY bench_endpoint.app_id) AS app
		CROSS JOIN LATERAL (
			SELECT message.id, row_number() OVER (ORDER BY message.id DESC) - 1 AS n
			FROM message
			WHERE message.app_id = app.app_id
				AND message.payload IS NOT NULL
				AND message.expires_at > now() + interval '1 day'
			ORDER BY message.id DESC
			LIMIT app.endpoints * $1::int
		) AS message
		JOIN bench_endpoint ON bench_endpoint.app_id = app.app_id
			AND bench_endpoint.n = message.n % app.endpoints
		CROSS JOIN LATERAL (SELECT now() - random() * interval '10 minutes' AS at) AS due`

	// waitInsert adds one retry, due tomorrow, at each of $1 endpoints.
	waitInsert = `
		INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, resume_at, lease, attempts, queue)
		SELECT bench_endpoint.app_id, message.id, bench_endpoint.id, due.at, due.at, 1, 1, 1
		FROM (SELECT now() + interval '1 day' AS at) AS due
		CROSS JOIN LATERAL (SELECT * FROM bench_endpoint ORDER BY bench_endpoint.id LIMIT $1::int) AS bench_endpoint
		CROSS JOIN LATERAL (
			SELECT message.id
			FROM message
			WHERE message.app_id = bench_endpoint.app_id
			ORDER BY message.id DESC
			LIMIT 1
		) AS message`
)
