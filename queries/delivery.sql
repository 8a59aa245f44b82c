-- name: DeliveryClaimAnyTenant :many
-- DeliveryClaimAnyTenant leases due deliveries, going from endpoint to endpoint in the order of their
-- ids and taking at most per_endpoint from each, so that a long backlog of one never hides the
-- others. The first column of every row says where the next claim goes on; without deliveries there
-- is one row that says only that. What can no longer be sent (its endpoint is gone or disabled, its
-- payload expired) is dropped.
WITH RECURSIVE owed AS (
    -- One index probe for each endpoint that is owed anything, however much it is.
    (
        SELECT delivery.endpoint_id, delivery.due_at, 1 AS n
        FROM delivery
        WHERE delivery.endpoint_id > @after_endpoint_id::text
        ORDER BY delivery.endpoint_id, delivery.due_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.endpoint_id, following.due_at, owed.n + 1
    FROM owed
    CROSS JOIN LATERAL (
        SELECT delivery.endpoint_id, delivery.due_at
        FROM delivery
        WHERE delivery.endpoint_id > owed.endpoint_id
        ORDER BY delivery.endpoint_id, delivery.due_at
        LIMIT 1
    ) AS following
    WHERE owed.n < @max_endpoints::int
),
due AS MATERIALIZED (
    -- SKIP LOCKED: another worker is claiming those at this moment.
    SELECT candidate.app_id, candidate.message_id, candidate.endpoint_id
    FROM owed
    CROSS JOIN LATERAL (
        SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
        FROM delivery
        WHERE delivery.endpoint_id = owed.endpoint_id
            AND delivery.due_at <= @now::timestamptz
        ORDER BY delivery.due_at
        LIMIT @room_per_endpoint::int
        FOR UPDATE SKIP LOCKED
    ) AS candidate
    WHERE owed.due_at <= @now::timestamptz
        AND owed.endpoint_id <> ALL (@full_endpoint_ids::text[])
    LIMIT @room::int
),
wanted AS MATERIALIZED (
    SELECT
        due.app_id, due.message_id, due.endpoint_id,
        endpoint.url, endpoint.secret, endpoint.headers, endpoint.old_secrets, endpoint.old_secrets_expire_at,
        message.payload, message.content_type
    FROM due
    JOIN endpoint ON endpoint.app_id = due.app_id
        AND endpoint.id = due.endpoint_id
        AND endpoint.deleted_at IS NULL
        AND NOT endpoint.disabled
    JOIN message ON message.app_id = due.app_id
        AND message.id = due.message_id
        AND message.payload IS NOT NULL
        AND message.expires_at > @now::timestamptz
),
dropped AS (
    DELETE FROM delivery
    WHERE (delivery.app_id, delivery.message_id, delivery.endpoint_id) IN (
        SELECT due.app_id, due.message_id, due.endpoint_id FROM due
        EXCEPT
        SELECT wanted.app_id, wanted.message_id, wanted.endpoint_id FROM wanted
    )
),
leased AS (
    UPDATE delivery
    SET due_at = @leased_until::timestamptz,
        lease = delivery.lease + 1
    FROM wanted
    WHERE delivery.app_id = wanted.app_id
        AND delivery.message_id = wanted.message_id
        AND delivery.endpoint_id = wanted.endpoint_id
    RETURNING
        delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.lease, delivery.attempts,
        delivery.manual, delivery.resume_at,
        wanted.url, wanted.secret, wanted.headers, wanted.old_secrets, wanted.old_secrets_expire_at,
        wanted.payload, wanted.content_type
)
SELECT
    coalesce(
        -- The room is used up: whoever comes after the last endpoint that was served is next.
        (SELECT max(due.endpoint_id) FROM due HAVING count(*) = @room::int),
        -- There were more endpoints than one claim looks at.
        (SELECT max(owed.endpoint_id) FROM owed HAVING count(*) = @max_endpoints::int),
        ''
    )::text AS next_after,
    coalesce(leased.app_id, '')::text AS app_id,
    coalesce(leased.message_id, '')::text AS message_id,
    coalesce(leased.endpoint_id, '')::text AS endpoint_id,
    coalesce(leased.lease, 0)::bigint AS lease,
    coalesce(leased.attempts, 0)::smallint AS attempts,
    coalesce(leased.url, '')::text AS url,
    leased.secret,
    leased.headers,
    leased.old_secrets,
    leased.old_secrets_expire_at,
    coalesce(leased.payload, '')::text AS payload,
    leased.content_type,
    coalesce(leased.manual, false)::boolean AS manual,
    leased.resume_at
FROM (SELECT 1) AS always
LEFT JOIN leased ON true
ORDER BY leased.message_id, leased.endpoint_id
LIMIT @room::int;

-- name: DeliveryRecordMany :many
-- DeliveryRecordMany writes down what came of the attempts of many deliveries: the attempts, what is
-- still owed, the endpoints' health. It returns the deliveries whose lease still held; another is
-- somebody else's by now and left alone. Attempts that were written down before, by a
-- commit whose answer got lost, change nothing.
WITH result AS (
    SELECT *
    FROM unnest(
        @app_ids::text[],
        @attempt_ids::text[],
        @message_ids::text[],
        @endpoint_ids::text[],
        @urls::text[],
        @statuses::smallint[],
        @response_status_codes::smallint[],
        @responses::text[],
        @durations_ms::bigint[],
        @triggers::smallint[],
        @created_ats::timestamptz[],
        @leases::bigint[],
        @attempts::smallint[],
        @finished::boolean[],
        @next_ats::timestamptz[]
    ) AS r(
        app_id, attempt_id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms,
        trigger, created_at, lease, attempts, finished, next_at
    )
),
attempted AS (
    INSERT INTO attempt (
        app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger,
        created_at
    )
    SELECT
        app_id, attempt_id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms,
        trigger, created_at
    FROM result
    ON CONFLICT (app_id, message_id, id) DO NOTHING
),
finished AS (
    DELETE FROM delivery
    WHERE (delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.lease) IN (
        SELECT result.app_id, result.message_id, result.endpoint_id, result.lease
        FROM result
        WHERE result.finished
    )
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
rescheduled AS (
    UPDATE delivery
    SET due_at = result.next_at,
        attempts = result.attempts,
        manual = false,
        resume_at = NULL
    FROM result
    WHERE NOT result.finished
        AND delivery.app_id = result.app_id
        AND delivery.message_id = result.message_id
        AND delivery.endpoint_id = result.endpoint_id
        AND delivery.lease = result.lease
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
health AS (
    SELECT app_id, endpoint_id, bool_or(status = 0) AS healthy
    FROM result
    GROUP BY app_id, endpoint_id
),
turned AS (
    -- Only the endpoints whose health turned, which are few. SKIP LOCKED: another worker is writing
    -- down the same turn, and waiting for it could be a deadlock.
    SELECT endpoint.app_id, endpoint.id, health.healthy
    FROM health
    JOIN endpoint ON endpoint.app_id = health.app_id
        AND endpoint.id = health.endpoint_id
        AND (endpoint.failing_since IS NULL) <> health.healthy
    FOR NO KEY UPDATE OF endpoint SKIP LOCKED
),
judged AS (
    UPDATE endpoint
    SET failing_since = CASE WHEN turned.healthy THEN NULL ELSE @now::timestamptz END
    FROM turned
    WHERE endpoint.app_id = turned.app_id
        AND endpoint.id = turned.id
),
unhurried AS (
    -- This commit need not wait for the disk: lost, its deliveries are made once more, never missed.
    SELECT set_config('synchronous_commit', 'off', true)
)
SELECT held.message_id, held.endpoint_id, held.lease
FROM unhurried
CROSS JOIN (
    SELECT * FROM finished
    UNION ALL
    SELECT * FROM rescheduled
) AS held
ORDER BY held.message_id, held.endpoint_id, held.lease
LIMIT cardinality(@attempt_ids::text[]);

-- name: DeliveryReleaseMany :execrows
-- DeliveryReleaseMany makes deliveries due at once whose lease this process still holds.
UPDATE delivery
SET due_at = @now::timestamptz
FROM unnest(@app_ids::text[], @message_ids::text[], @endpoint_ids::text[], @leases::bigint[])
    AS held(app_id, message_id, endpoint_id, lease)
WHERE delivery.app_id = held.app_id
    AND delivery.message_id = held.message_id
    AND delivery.endpoint_id = held.endpoint_id
    AND delivery.lease = held.lease;

-- name: DeliveryInsert :execrows
-- DeliveryInsert makes a delivery that is due now; no row: the message is owed to the endpoint already.
INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease)
SELECT @app_id::text, @message_id::text, @endpoint_id::text, @now::timestamptz, 0
FROM pg_notify('postrider_delivery', '')
ON CONFLICT (app_id, message_id, endpoint_id) DO NOTHING;

-- name: DeliveryResend :execrows
-- DeliveryResend makes a delivery due now, for one attempt. If the message is owed to the endpoint
-- already, that attempt comes first, and the schedule goes on behind it. An attempt under way loses its
-- lease: were it to end the delivery, the one that was asked for would never be made.
INSERT INTO delivery AS owed (app_id, message_id, endpoint_id, due_at, lease, manual)
SELECT @app_id::text, @message_id::text, @endpoint_id::text, @now::timestamptz, 0, true
FROM pg_notify('postrider_delivery', '')
ON CONFLICT (app_id, message_id, endpoint_id) DO UPDATE
SET due_at = excluded.due_at,
    lease = owed.lease + 1,
    manual = true,
    resume_at = CASE WHEN owed.manual THEN owed.resume_at ELSE greatest(owed.due_at, excluded.due_at) END;

-- name: DeliveryCount :one
-- DeliveryCount counts what is owed to an endpoint of the messages of a time: not attempted yet, and
-- to be tried again.
SELECT
    count(*) FILTER (WHERE delivery.attempts = 0) AS pending,
    count(*) FILTER (WHERE delivery.attempts > 0) AS sending
FROM delivery
WHERE delivery.app_id = @app_id
    AND delivery.endpoint_id = @endpoint_id
    AND delivery.message_id > @after::text
    AND delivery.message_id < @before::text;

-- name: DeliveryDueMany :many
-- DeliveryDueMany tells of messages that are owed to an endpoint when they are due.
SELECT owed.message_id, owed.due_at
FROM unnest(@message_ids::text[]) AS wanted(message_id)
CROSS JOIN LATERAL (
    -- LIMIT: a look-up for each, where a join might read all that is owed to the endpoint.
    SELECT delivery.message_id, delivery.due_at
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND delivery.endpoint_id = @endpoint_id
        AND delivery.message_id = wanted.message_id
    LIMIT 1
) AS owed
ORDER BY owed.message_id
LIMIT cardinality(@message_ids::text[]);
