-- name: DeliveryOwedListAnyTenant :many
-- DeliveryOwedListAnyTenant goes from queue to queue, kind by kind in the order of their endpoints, with
-- one probe of the index each, however much waits there. It lists those in which something is due, with what the
-- endpoint and the application allow, those that are owed no more, and the last one it looked at. What waits for
-- another delivery is in a queue after all others, and is not looked at.
--
-- The floors are queues of which much was claimed, in their order, and where to look from in each: what was
-- claimed leaves dead entries, which stay while anybody holds a snapshot. The last floor is the end of all queues.
WITH RECURSIVE owed AS (
    SELECT
        NULL::text COLLATE "C" AS app_id,
        CAST(@after_endpoint_id AS text) COLLATE "C" AS endpoint_id,
        @after_queue::smallint AS queue,
        NULL::timestamptz AS due_at,
        0 AS n,
        1 AS next_floor
    UNION ALL
    SELECT
        coalesce(above.app_id, following.app_id),
        coalesce(following.endpoint_id, floor.endpoint_id),
        coalesce(following.queue, floor.queue),
        coalesce(above.due_at, following.due_at),
        owed.n + 1,
        CASE WHEN following.endpoint_id IS NULL THEN owed.next_floor + 1 ELSE owed.next_floor END
    FROM owed
    CROSS JOIN LATERAL (
        SELECT
            (@floor_endpoint_ids::text[])[owed.next_floor] AS endpoint_id,
            (@floor_queues::smallint[])[owed.next_floor] AS queue,
            (@floor_sinces::timestamptz[])[owed.next_floor] AS since
    ) AS floor
    LEFT JOIN LATERAL (
        SELECT delivery.app_id, delivery.endpoint_id, delivery.queue, delivery.due_at
        FROM delivery
        WHERE (delivery.queue, delivery.endpoint_id) > (owed.queue, owed.endpoint_id)
            AND (delivery.queue, delivery.endpoint_id) < (floor.queue, floor.endpoint_id)
            AND delivery.state = 'waiting'
        ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
        LIMIT 1
    ) AS following ON true
    LEFT JOIN LATERAL (
        SELECT delivery.app_id, delivery.due_at
        FROM delivery
        WHERE following.endpoint_id IS NULL
            AND delivery.queue = floor.queue
            AND delivery.endpoint_id = floor.endpoint_id
            AND delivery.due_at >= floor.since
            AND delivery.state = 'waiting'
        ORDER BY delivery.due_at
        LIMIT 1
    ) AS above ON true
    WHERE owed.n < @max_queues::int
        AND owed.queue < 3
)
SELECT
    coalesce(owed.app_id, '')::text AS app_id,
    owed.endpoint_id::text AS endpoint_id,
    owed.queue::smallint AS queue,
    coalesce(owed.due_at, @now)::timestamptz AS due_at,
    owed.n::int AS n,
    coalesce(endpoint.throttle_rate, 0)::int AS throttle_rate,
    endpoint.throttled_until,
    endpoint.paused_until,
    coalesce(application.throttle_rate, 0)::int AS app_throttle_rate,
    application.throttled_until AS app_throttled_until,
    coalesce(endpoint.disabled OR endpoint.deleted_at IS NOT NULL, false)::boolean AS gone
FROM owed
LEFT JOIN LATERAL (
    SELECT application.throttle_rate, application.throttled_until
    FROM application
    WHERE application.id = owed.app_id
        AND owed.due_at <= @now::timestamptz
    LIMIT 1
) AS application ON true
LEFT JOIN LATERAL (
    SELECT endpoint.throttle_rate, endpoint.throttled_until, endpoint.paused_until, endpoint.disabled, endpoint.deleted_at
    FROM endpoint
    WHERE endpoint.app_id = owed.app_id
        AND endpoint.id = owed.endpoint_id
    LIMIT 1
) AS endpoint ON true
WHERE owed.due_at <= @now::timestamptz
    OR owed.n = @max_queues::int
    OR endpoint.disabled
    OR endpoint.deleted_at IS NOT NULL
ORDER BY owed.queue, owed.endpoint_id
LIMIT @max_queues::int;

-- name: DeliveryTakeManyAnyTenant :many
-- DeliveryTakeManyAnyTenant reads up to @most fresh deliveries from the position of the take before it, and advances
-- the position. It leases up to @room of those that may be sent at once, and makes the rest wait: what is more than
-- their endpoint or application has room for here, and what has to be claimed by the state of either. Where there is
-- not room for all, applications take turns. Of a large payload it reads the size alone, and MessagePayloadGet the
-- rest. The row without a message counts what was read. There is none while another process takes.
WITH place AS MATERIALIZED (
    SELECT
        delivery_position.id,
        -- Transactions of another cluster, before a restore, say nothing about those here.
        CASE
            WHEN pg_snapshot_xmax(delivery_position.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
            THEN delivery_position.snapshot
            ELSE CAST('3:3:' AS pg_snapshot)
        END AS previous,
        pg_current_snapshot() AS latest
    FROM delivery_position
    WHERE delivery_position.id = (
        SELECT latest.id
        FROM delivery_position AS latest
        ORDER BY latest.id DESC
        LIMIT 1
    )
    FOR UPDATE SKIP LOCKED
),
late AS (
    -- What was in progress at the previous position and has been committed since.
    SELECT candidate.tid, candidate.app_id, candidate.message_id, candidate.endpoint_id, candidate.txid
    FROM place
    CROSS JOIN LATERAL unnest(ARRAY(SELECT pg_snapshot_xip(place.previous))) AS in_progress(txid)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.txid
        FROM delivery
        WHERE delivery.state = 'fresh'
            AND delivery.txid = in_progress.txid
        LIMIT @most::int
        FOR UPDATE SKIP LOCKED
    ) AS candidate
    ORDER BY candidate.txid
    LIMIT @most::int
),
following AS (
    -- SKIP LOCKED: somebody is changing it, and makes it wait, or DeliveryExpireManyAnyTenant does.
    SELECT candidate.tid, candidate.app_id, candidate.message_id, candidate.endpoint_id, candidate.txid
    FROM place
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.txid
        FROM delivery
        WHERE delivery.state = 'fresh'
            AND delivery.txid >= pg_snapshot_xmax(place.previous)
            AND delivery.txid < pg_snapshot_xmax(place.latest)
        ORDER BY delivery.txid
        LIMIT @most::int
        FOR UPDATE SKIP LOCKED
    ) AS candidate
),
fresh AS MATERIALIZED (
    SELECT found.tid, found.app_id, found.message_id, found.endpoint_id, found.txid
    FROM (
        SELECT late.tid, late.app_id, late.message_id, late.endpoint_id, late.txid FROM late
        UNION ALL
        SELECT following.tid, following.app_id, following.message_id, following.endpoint_id, following.txid
        FROM following
    ) AS found
    ORDER BY found.txid
    LIMIT @most::int
),
counted AS MATERIALIZED (
    SELECT
        count(*) AS n,
        -- The last transaction, of which there may be more. Postgres 15 has no max(xid8).
        (array_agg(fresh.txid ORDER BY fresh.txid DESC))[1] AS last_txid
    FROM fresh
),
inserted AS (
    INSERT INTO delivery_position (id, snapshot)
    SELECT
        place.id + 1,
        CASE
            WHEN counted.n < @most::int
            THEN place.latest
            ELSE (
                SELECT CAST(
                    format(
                        '%s:%s:%s',
                        coalesce((array_agg(x.txid ORDER BY x.txid))[1], counted.last_txid),
                        counted.last_txid,
                        string_agg(x.txid::text, ',' ORDER BY x.txid)
                    ) AS pg_snapshot
                )
                FROM unnest(ARRAY(SELECT pg_snapshot_xip(place.latest))) AS x(txid)
                WHERE x.txid < counted.last_txid
            )
        END
    FROM place
    CROSS JOIN counted
    WHERE counted.n > 0
    RETURNING delivery_position.id
),
deleted AS (
    -- An array, which cannot be joined with: a join may read all that were deleted before.
    DELETE FROM delivery_position
    WHERE delivery_position.id = ANY (ARRAY(SELECT inserted.id - 1 FROM inserted))
),
sendable AS (
    SELECT
        fresh.tid, fresh.message_id, fresh.endpoint_id, fresh.txid,
        row_number() OVER (PARTITION BY fresh.app_id ORDER BY fresh.txid, fresh.message_id, fresh.endpoint_id) AS turn,
        endpoint.url, endpoint.secret, endpoint.headers, endpoint.old_secrets, endpoint.old_secrets_expire_at,
        endpoint.failing_since, message.payload, message.payload_bytes, message.content_type, message.traceparent,
        endpoint.id IS NOT NULL
            AND message.id IS NOT NULL
            AND application.id IS NOT NULL
            AND fresh.endpoint_id <> ALL (@full_endpoint_ids::text[])
            AND fresh.app_id <> ALL (@full_app_ids::text[])
            AND row_number() OVER (PARTITION BY fresh.endpoint_id ORDER BY fresh.txid, fresh.message_id)
                <= @room_per_endpoint::int AS yes
    FROM fresh
    LEFT JOIN LATERAL (
        SELECT application.id
        FROM application
        WHERE application.id = fresh.app_id
            AND application.throttle_rate IS NULL
        LIMIT 1
    ) AS application ON true
    LEFT JOIN LATERAL (
        SELECT
            endpoint.id, endpoint.url, endpoint.secret, endpoint.headers, endpoint.old_secrets,
            endpoint.old_secrets_expire_at, endpoint.failing_since
        FROM endpoint
        WHERE endpoint.app_id = fresh.app_id
            AND endpoint.id = fresh.endpoint_id
            AND endpoint.deleted_at IS NULL
            AND NOT endpoint.disabled
            AND endpoint.throttle_rate IS NULL
            AND endpoint.paused_until IS NULL
        LIMIT 1
    ) AS endpoint ON true
    LEFT JOIN LATERAL (
        SELECT
            message.id, message.content_type, message.traceparent, octet_length(message.payload) AS payload_bytes,
            CASE WHEN octet_length(message.payload) <= @large_payload::int THEN message.payload ELSE '' END AS payload
        FROM message
        WHERE message.app_id = fresh.app_id
            AND message.id = fresh.message_id
            AND message.payload IS NOT NULL
            AND message.expires_at > @now::timestamptz
        LIMIT 1
    ) AS message ON true
),
judged AS MATERIALIZED (
    SELECT
        sendable.tid,
        sendable.url, sendable.secret, sendable.headers, sendable.old_secrets, sendable.old_secrets_expire_at,
        sendable.failing_since, sendable.payload, sendable.payload_bytes, sendable.content_type, sendable.traceparent,
        sendable.yes
            AND row_number() OVER (
                PARTITION BY sendable.yes
                ORDER BY sendable.turn, sendable.txid, sendable.message_id, sendable.endpoint_id
            ) <= @room::int AS leased
    FROM sendable
),
moved AS (
    UPDATE delivery
    SET state = CASE WHEN judged.leased THEN 'leased' ELSE 'waiting' END,
        -- Due from now on, since a claim may have looked at what was due before.
        due_at = CASE WHEN judged.leased THEN @leased_until::timestamptz ELSE @now::timestamptz END,
        lease = CASE WHEN judged.leased THEN delivery.lease + 1 ELSE delivery.lease END
    FROM judged
    WHERE delivery.ctid = judged.tid
    RETURNING
        delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.lease, delivery.attempts,
        delivery.subject, judged.leased,
        judged.url, judged.secret, judged.headers, judged.old_secrets, judged.old_secrets_expire_at,
        judged.failing_since, judged.payload, judged.payload_bytes, judged.content_type, judged.traceparent
),
unhurried AS (
    -- This commit need not wait for the disk: lost, the deliveries are fresh again.
    SELECT set_config('synchronous_commit', 'off', true)
)
SELECT
    moved.app_id::text AS app_id,
    moved.message_id::text AS message_id,
    moved.endpoint_id::text AS endpoint_id,
    moved.lease::bigint AS lease,
    moved.attempts::smallint AS attempts,
    moved.url::text AS url,
    moved.secret::bytea AS secret,
    moved.headers::jsonb AS headers,
    nullif(moved.old_secrets, '{}')::bytea[] AS old_secrets,
    nullif(moved.old_secrets_expire_at, '{}')::timestamptz[] AS old_secrets_expire_at,
    moved.payload::text AS payload,
    moved.payload_bytes::int AS payload_bytes,
    moved.content_type,
    moved.traceparent,
    coalesce(moved.subject, '')::text AS subject,
    (moved.failing_since IS NOT NULL)::boolean AS failing,
    0::int AS n
FROM unhurried
CROSS JOIN moved
WHERE moved.leased
UNION ALL
SELECT '', '', '', 0, 0, '', '', '{}', NULL, NULL, '', 0, NULL, NULL, '', false, counted.n
FROM place
CROSS JOIN counted
ORDER BY message_id, endpoint_id
LIMIT @max_rows::int;

-- name: DeliveryExpireManyAnyTenant :one
-- DeliveryExpireManyAnyTenant makes deliveries due whose leases ran out between two times, and returns how many
-- that were.
WITH expired AS MATERIALIZED (
    SELECT delivery.ctid::tid AS tid
    FROM delivery
    WHERE delivery.state = 'leased'
        AND delivery.due_at > @since::timestamptz
        AND delivery.due_at <= @now::timestamptz
    ORDER BY delivery.due_at
    LIMIT @max_rows::int
    FOR UPDATE SKIP LOCKED
),
waiting AS (
    UPDATE delivery
    SET state = 'waiting',
        due_at = @now::timestamptz
    FROM expired
    WHERE delivery.ctid = expired.tid
    RETURNING delivery.message_id
)
SELECT count(*)
FROM waiting;

-- name: DeliveryPassedManyAnyTenant :one
-- DeliveryPassedManyAnyTenant makes fresh deliveries due that the position has passed, and returns how many that
-- were: they were locked at that moment, or come from another cluster whose transactions had other numbers. If there
-- is no position, it makes one.
WITH place AS MATERIALIZED (
    SELECT latest.snapshot
    FROM delivery_position AS latest
    ORDER BY latest.id DESC
    LIMIT 1
),
begun AS (
    INSERT INTO delivery_position (id, snapshot)
    SELECT 1, CAST('3:3:' AS pg_snapshot)
    WHERE NOT EXISTS (SELECT FROM place)
    ON CONFLICT (id) DO NOTHING
),
passed AS MATERIALIZED (
    SELECT candidate.tid
    FROM place
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid
        FROM delivery
        WHERE delivery.state = 'fresh'
            AND delivery.txid < pg_snapshot_xmax(place.snapshot)
            AND pg_visible_in_snapshot(delivery.txid, place.snapshot)
        ORDER BY delivery.txid
        LIMIT @max_rows::int
        FOR UPDATE SKIP LOCKED
    ) AS candidate
),
elsewhere AS MATERIALIZED (
    SELECT delivery.ctid::tid AS tid
    FROM delivery
    WHERE delivery.state = 'fresh'
        AND delivery.txid >= pg_snapshot_xmax(pg_current_snapshot())
    ORDER BY delivery.txid
    LIMIT @max_rows::int
    FOR UPDATE SKIP LOCKED
),
waiting AS (
    UPDATE delivery
    SET state = 'waiting',
        due_at = @now::timestamptz
    FROM (
        SELECT passed.tid FROM passed
        UNION
        SELECT elsewhere.tid FROM elsewhere
    ) AS found
    WHERE delivery.ctid = found.tid
    RETURNING delivery.message_id
)
SELECT count(*)
FROM waiting;

-- name: DeliveryFirstManyAnyTenant :many
-- DeliveryFirstManyAnyTenant returns what is due first in each of the given queues, and the lowest number in those in
-- order. It passes all dead entries of the queues, so claims look from where they have been instead.
SELECT
    q.endpoint_id::text AS endpoint_id,
    q.queue::smallint AS queue,
    waiting.due_at,
    coalesce(in_order.seq, 0)::bigint AS seq
FROM unnest(@endpoint_ids::text[], @queues::smallint[]) AS q(endpoint_id, queue)
CROSS JOIN LATERAL (
    SELECT delivery.due_at
    FROM delivery
    WHERE delivery.queue = q.queue
        AND delivery.endpoint_id = q.endpoint_id
        AND delivery.state = 'waiting'
    ORDER BY delivery.due_at
    LIMIT 1
) AS waiting
LEFT JOIN LATERAL (
    SELECT delivery.seq
    FROM delivery
    WHERE q.queue = 2
        AND delivery.endpoint_id = q.endpoint_id
        AND delivery.queue = 2
    ORDER BY delivery.seq
    LIMIT 1
) AS in_order ON true
ORDER BY q.queue, q.endpoint_id
LIMIT cardinality(@queues::smallint[]);

-- name: DeliveryClaimManyAnyTenant :many
-- DeliveryClaimManyAnyTenant leases due deliveries of the given queues, at most so many of each. A row
-- without a lease cannot be sent: its payload is gone, or its endpoint was disabled or deleted just now.
-- Of a queue in order it takes the first delivery alone, and nothing while that is leased or waits to be
-- tried again. Of a large payload it reads the size alone. In each queue it looks from what was the first there before, by time or by number: what was claimed
-- leaves dead entries, which stay while anybody holds a snapshot.
WITH queue AS (
    SELECT q.endpoint_id, q.queue, q.most, q.since, q.seq
    FROM unnest(
        @endpoint_ids::text[],
        @queues::smallint[],
        @limits::int[],
        @sinces::timestamptz[],
        @seqs::bigint[]
    ) AS q(endpoint_id, queue, most, since, seq)
),
first_in_order AS (
    -- Without a lock, which would be of the next one where another worker has this one locked.
    SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
    FROM queue
    CROSS JOIN LATERAL (
        SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
        FROM delivery
        WHERE delivery.endpoint_id = queue.endpoint_id
            AND delivery.queue = 2
            AND delivery.seq >= queue.seq
        ORDER BY delivery.seq
        LIMIT 1
    ) AS delivery
    WHERE queue.queue = 2
),
due_in_order AS MATERIALIZED (
    SELECT candidate.tid, candidate.app_id, candidate.message_id, candidate.endpoint_id
    FROM first_in_order
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.app_id, delivery.message_id, delivery.endpoint_id
        FROM delivery
        WHERE delivery.app_id = first_in_order.app_id
            AND delivery.message_id = first_in_order.message_id
            AND delivery.endpoint_id = first_in_order.endpoint_id
            AND delivery.due_at <= @now::timestamptz
            AND delivery.state || '' = 'waiting' -- no reason to read an index of all that wait
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS candidate
),
due AS MATERIALIZED (
    -- SKIP LOCKED: another worker is claiming those at this moment.
    SELECT candidate.tid, candidate.app_id, candidate.message_id, candidate.endpoint_id, queue.queue
    FROM queue
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.app_id, delivery.message_id, delivery.endpoint_id
        FROM delivery
        WHERE delivery.endpoint_id = queue.endpoint_id
            AND delivery.queue = queue.queue
            AND delivery.due_at >= queue.since
            AND delivery.due_at <= @now::timestamptz
            AND delivery.state = 'waiting'
        ORDER BY delivery.due_at
        LIMIT queue.most
        FOR UPDATE SKIP LOCKED
    ) AS candidate
    WHERE queue.queue <> 2
    LIMIT @room::int
),
taken AS MATERIALIZED (
    -- LATERAL with LIMIT 1: one probe of an index for each, whatever the statistics say. Planned as a join,
    -- the look-up of messages once read all that a large application had.
    SELECT
        due.tid, due.app_id, due.message_id, due.endpoint_id, due.queue,
        endpoint.url, endpoint.secret, endpoint.headers, endpoint.old_secrets, endpoint.old_secrets_expire_at,
        endpoint.failing_since, message.payload, message.payload_bytes, message.content_type, message.traceparent,
        endpoint.id IS NOT NULL AND message.id IS NOT NULL AS sendable
    FROM (
        SELECT due.tid, due.app_id, due.message_id, due.endpoint_id, due.queue FROM due
        UNION ALL
        SELECT due_in_order.tid, due_in_order.app_id, due_in_order.message_id, due_in_order.endpoint_id, 2::smallint
        FROM due_in_order
    ) AS due
    LEFT JOIN LATERAL (
        SELECT
            endpoint.id, endpoint.url, endpoint.secret, endpoint.headers, endpoint.old_secrets,
            endpoint.old_secrets_expire_at, endpoint.failing_since
        FROM endpoint
        WHERE endpoint.app_id = due.app_id
            AND endpoint.id = due.endpoint_id
            AND endpoint.deleted_at IS NULL
            AND NOT endpoint.disabled
        LIMIT 1
    ) AS endpoint ON true
    LEFT JOIN LATERAL (
        SELECT
            message.id, message.content_type, message.traceparent, octet_length(message.payload) AS payload_bytes,
            CASE WHEN octet_length(message.payload) <= @large_payload::int THEN message.payload ELSE '' END AS payload
        FROM message
        WHERE message.app_id = due.app_id
            AND message.id = due.message_id
            AND message.payload IS NOT NULL
            AND message.expires_at > @now::timestamptz
        LIMIT 1
    ) AS message ON true
),
leased AS (
    UPDATE delivery
    SET due_at = @leased_until::timestamptz,
        lease = delivery.lease + 1,
        state = 'leased'
    FROM taken
    WHERE delivery.ctid = taken.tid
        AND taken.sendable
    RETURNING
        delivery.app_id, delivery.message_id, delivery.endpoint_id, taken.queue, delivery.lease, delivery.attempts,
        delivery.manual, delivery.resume_at, delivery.subject, delivery.seq,
        taken.url, taken.secret, taken.headers, taken.old_secrets, taken.old_secrets_expire_at,
        taken.failing_since, taken.payload, taken.payload_bytes, taken.content_type, taken.traceparent
)
SELECT
    leased.app_id::text AS app_id,
    leased.message_id::text AS message_id,
    leased.endpoint_id::text AS endpoint_id,
    leased.queue::smallint AS queue,
    leased.lease::bigint AS lease,
    leased.attempts::smallint AS attempts,
    leased.url::text AS url,
    leased.secret,
    leased.headers,
    leased.old_secrets,
    leased.old_secrets_expire_at,
    leased.payload::text AS payload,
    leased.payload_bytes::int AS payload_bytes,
    leased.content_type,
    leased.traceparent,
    leased.manual::boolean AS manual,
    leased.resume_at,
    coalesce(leased.subject, '')::text AS subject,
    (leased.failing_since IS NOT NULL)::boolean AS failing,
    coalesce(leased.seq, 0)::bigint AS seq
FROM leased
UNION ALL
SELECT
    taken.app_id, taken.message_id, taken.endpoint_id, taken.queue, 0, 0, '', NULL, NULL, NULL, NULL, '', 0, NULL, NULL,
    false, NULL, '', false, 0
FROM taken
WHERE NOT taken.sendable
ORDER BY message_id, endpoint_id
LIMIT @max_rows::int;

-- name: DeliveryDropManyAnyTenant :many
-- DeliveryDropManyAnyTenant drops what is owed to endpoints that get nothing any more, a bounded number
-- of deliveries of each, and returns how many that were.
WITH doomed AS MATERIALIZED (
    SELECT candidate.tid
    FROM unnest(@endpoint_ids::text[]) AS gone(endpoint_id)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.app_id
        FROM delivery
        WHERE delivery.queue = ANY ('{0, 1, 2, 3}')
            AND delivery.endpoint_id = gone.endpoint_id
            AND delivery.state = 'waiting'
        LIMIT @max_each::int
        FOR UPDATE SKIP LOCKED
    ) AS candidate
    CROSS JOIN LATERAL (
        SELECT endpoint.id
        FROM endpoint
        WHERE endpoint.app_id = candidate.app_id
            AND endpoint.id = gone.endpoint_id
            AND (endpoint.disabled OR endpoint.deleted_at IS NOT NULL)
        LIMIT 1
    ) AS endpoint
),
dropped AS (
    DELETE FROM delivery
    USING doomed
    WHERE delivery.ctid = doomed.tid
    RETURNING delivery.app_id, delivery.endpoint_id
)
SELECT dropped.app_id, dropped.endpoint_id, count(*) AS deliveries
FROM dropped
GROUP BY dropped.app_id, dropped.endpoint_id
ORDER BY dropped.app_id, dropped.endpoint_id
LIMIT cardinality(@endpoint_ids::text[]);

-- name: DeliveryDropByEndpoint :execrows
-- DeliveryDropByEndpoint drops what waits for an endpoint, at most max_rows deliveries, and returns how many that
-- were. What is locked it waits for: fewer than max_rows means that nothing waits any more.
WITH doomed AS MATERIALIZED (
    SELECT candidate.tid
    FROM unnest('{0, 1, 2, 3}'::smallint[]) AS kind(queue)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid
        FROM delivery
        -- Row comparisons, whose order only the index of what waits has.
        WHERE (delivery.queue, delivery.endpoint_id) >= (kind.queue, @endpoint_id::text)
            AND (delivery.queue, delivery.endpoint_id) <= (kind.queue, @endpoint_id::text)
            AND delivery.state = 'waiting'
            AND delivery.app_id || '' = @app_id
        ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
        LIMIT @max_rows::int
        FOR UPDATE
    ) AS candidate
    LIMIT @max_rows::int
)
DELETE FROM delivery
USING doomed
WHERE delivery.ctid = doomed.tid;

-- name: DeliveryDropByApplication :execrows
-- DeliveryDropByApplication drops what an application is owed, at most max_rows deliveries, and returns how many
-- that were.
WITH doomed AS MATERIALIZED (
    -- SKIP LOCKED: a worker is about to drop it, or will find its endpoint deleted.
    SELECT delivery.ctid::tid AS tid
    FROM delivery
    WHERE delivery.app_id = @app_id
    ORDER BY delivery.app_id, delivery.message_id, delivery.endpoint_id
    LIMIT @max_rows::int
    FOR UPDATE SKIP LOCKED
)
DELETE FROM delivery
USING doomed
WHERE delivery.ctid = doomed.tid;

-- name: DeliveryDropUnsendableManyAnyTenant :many
-- DeliveryDropUnsendableManyAnyTenant drops those of the given due deliveries whose payload was expunged,
-- expired, or went with its message, and returns them with their latest attempts.
WITH unsendable AS MATERIALIZED (
    -- LATERAL with LIMIT 1: one probe of an index for each, whatever the statistics say.
    SELECT
        owed.tid, owed.app_id, owed.message_id, owed.endpoint_id, owed.attempts, owed.manual, owed.resume_at,
        coalesce(owed.subject, '') AS subject,
        content.kept AS expired
    FROM unnest(@app_ids::text[], @message_ids::text[], @endpoint_ids::text[])
        AS named(app_id, message_id, endpoint_id)
    CROSS JOIN LATERAL (
        -- SKIP LOCKED: another worker is dropping it.
        SELECT
            delivery.ctid::tid AS tid, delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.attempts,
            delivery.manual, delivery.resume_at, delivery.subject
        FROM delivery
        WHERE delivery.app_id = named.app_id
            AND delivery.message_id = named.message_id
            AND delivery.endpoint_id = named.endpoint_id
            AND delivery.due_at <= @now::timestamptz
            AND delivery.state || '' = 'waiting' -- no reason to read an index of all that wait
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS owed
    LEFT JOIN LATERAL (
        SELECT message.payload IS NOT NULL AS kept, message.expires_at
        FROM message
        WHERE message.app_id = named.app_id
            AND message.id = named.message_id
        LIMIT 1
    ) AS content ON true
    WHERE content.kept IS NOT TRUE
        OR content.expires_at <= @now::timestamptz
),
dropped AS (
    DELETE FROM delivery
    USING unsendable
    WHERE delivery.ctid = unsendable.tid
)
SELECT
    unsendable.app_id, unsendable.message_id, unsendable.endpoint_id, unsendable.attempts, unsendable.manual,
    unsendable.resume_at, unsendable.subject,
    coalesce(unsendable.expired, false)::boolean AS expired,
    coalesce(latest.id, '')::text AS attempt_id,
    coalesce(latest.response_status_code, 0)::smallint AS response_status_code,
    coalesce(latest.created_at, @now)::timestamptz AS attempted_at
FROM unsendable
LEFT JOIN LATERAL (
    SELECT attempt.id, attempt.response_status_code, attempt.created_at
    FROM attempt
    WHERE attempt.app_id = unsendable.app_id
        AND attempt.message_id = unsendable.message_id
        AND attempt.endpoint_id = unsendable.endpoint_id
    ORDER BY attempt.id DESC
    LIMIT 1
) AS latest ON true
ORDER BY unsendable.message_id, unsendable.endpoint_id
LIMIT cardinality(@message_ids::text[]);

-- name: EndpointPaceLockManyAnyTenant :many
-- EndpointPaceLockManyAnyTenant reads how far endpoints have used up what they may be sent, and keeps
-- others from claiming for them until the transaction ends. Those that another worker is claiming for at
-- this moment are left out.
SELECT
    endpoint.app_id, endpoint.id, coalesce(endpoint.throttle_rate, 0)::int AS throttle_rate,
    endpoint.throttled_until, endpoint.paused_until
FROM unnest(@app_ids::text[], @endpoint_ids::text[]) AS wanted(app_id, id)
CROSS JOIN LATERAL (
    SELECT endpoint.app_id, endpoint.id, endpoint.throttle_rate, endpoint.throttled_until, endpoint.paused_until
    FROM endpoint
    WHERE endpoint.app_id = wanted.app_id
        AND endpoint.id = wanted.id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
) AS endpoint
ORDER BY endpoint.app_id, endpoint.id
LIMIT cardinality(@endpoint_ids::text[]);

-- name: ApplicationPaceLockManyAnyTenant :many
-- ApplicationPaceLockManyAnyTenant is EndpointPaceLockManyAnyTenant for applications.
SELECT application.id, coalesce(application.throttle_rate, 0)::int AS throttle_rate, application.throttled_until
FROM application
WHERE application.id = ANY (@ids::text[])
ORDER BY application.id
LIMIT cardinality(@ids::text[])
FOR NO KEY UPDATE OF application SKIP LOCKED;

-- name: EndpointPaceUpdateManyAnyTenant :execrows
-- EndpointPaceUpdateManyAnyTenant writes down what a claim used up. An endpoint that is being probed is
-- paused until the probe's lease ends. The first instant of the first year stands for none.
WITH pace AS MATERIALIZED (
    SELECT endpoint.tid, used.id, used.throttled_until, used.paused_until
    FROM unnest(
        @app_ids::text[],
        @endpoint_ids::text[],
        @throttled_untils::timestamptz[],
        @paused_untils::timestamptz[]
    ) AS used(app_id, id, throttled_until, paused_until)
    CROSS JOIN LATERAL (
        SELECT endpoint.ctid::tid AS tid
        FROM endpoint
        WHERE endpoint.app_id = used.app_id
            AND endpoint.id = used.id
        LIMIT 1
    ) AS endpoint
)
UPDATE endpoint
SET throttled_until = nullif(pace.throttled_until, '0001-01-01Z'),
    paused_until = nullif(pace.paused_until, '0001-01-01Z')
FROM pace
WHERE endpoint.ctid = pace.tid
    AND endpoint.id = pace.id;

-- name: ApplicationPaceUpdateManyAnyTenant :execrows
-- ApplicationPaceUpdateManyAnyTenant is EndpointPaceUpdateManyAnyTenant for applications.
UPDATE application
SET throttled_until = pace.throttled_until
FROM unnest(@ids::text[], @throttled_untils::timestamptz[]) AS pace(id, throttled_until)
WHERE application.id = pace.id;

-- name: DeliveryRecordMany :many
-- DeliveryRecordMany writes down what came of the attempts of many deliveries: the attempts, what is
-- still owed, the endpoints' health. It returns the deliveries whose lease still held, and whether
-- their endpoint is to be left alone now; another is somebody else's by now and left alone. Attempts
-- that were written down before, by a commit whose answer got lost, change nothing. An endpoint that is
-- disabled by it has a row without a message.
WITH result AS (
    SELECT
        r.app_id, r.attempt_id, r.message_id, r.endpoint_id, r.url, r.status, r.response_status_code, r.response,
        r.duration_ms, r.trigger, r.created_at, r.lease, r.attempts, r.finished, r.next_at, r.gone, r.pause_until
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
        @next_ats::timestamptz[],
        @gone::boolean[],
        @pause_untils::timestamptz[]
    ) AS r(
        app_id, attempt_id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms,
        trigger, created_at, lease, attempts, finished, next_at, gone, pause_until
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
held AS MATERIALIZED (
    -- LATERAL with LIMIT 1: one probe of the primary key for each, whatever the statistics say. They often say
    -- that the table is empty, and then any other plan reads all of it.
    SELECT owed.tid, result.lease, result.attempts, result.finished, result.next_at
    FROM result
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.lease
        FROM delivery
        WHERE delivery.app_id = result.app_id
            AND delivery.message_id = result.message_id
            AND delivery.endpoint_id = result.endpoint_id
        LIMIT 1
    ) AS owed
    WHERE owed.lease = result.lease
),
finished AS (
    DELETE FROM delivery
    USING held
    WHERE held.finished
        AND delivery.ctid = held.tid
        AND delivery.lease = held.lease -- once more, on the row as it is
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
rescheduled AS (
    UPDATE delivery
    SET due_at = greatest(held.next_at, @now::timestamptz), -- never before: a claim may have looked at what was due then
        attempts = held.attempts,
        queue = CASE WHEN delivery.queue = 2 THEN 2 WHEN held.attempts > 0 THEN 1 ELSE 0 END,
        state = 'waiting',
        manual = false,
        resume_at = held.next_at
    FROM held
    WHERE NOT held.finished
        AND delivery.ctid = held.tid
        AND delivery.lease = held.lease
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
rules AS (
    SELECT
        @now::timestamptz AS now,
        @pause_least::timestamptz AS pause_least,
        @pause_most::timestamptz AS pause_most,
        @circuit_failures::int AS circuit_failures,
        @disable_failures::int AS disable_failures,
        @disable_since::timestamptz AS disable_since
),
health AS (
    SELECT
        result.app_id, result.endpoint_id,
        bool_or(result.status = 0) AS healthy,
        bool_or(result.gone) AS gone,
        count(*) FILTER (WHERE result.status <> 0) AS failures,
        max(result.created_at) AS began_at,
        nullif(max(result.pause_until), '0001-01-01Z') AS pause_until
    FROM result
    GROUP BY result.app_id, result.endpoint_id
),
turned AS (
    -- Only the endpoints whose state changes. SKIP LOCKED: another worker is writing the same down, or
    -- a client is changing the endpoint, and waiting could be a deadlock. What is left out the next
    -- attempt tells again.
    SELECT
        endpoint.tid, endpoint.id, health.healthy, health.gone,
        CASE WHEN health.healthy THEN 0 ELSE endpoint.failures + health.failures END AS failures,
        CASE WHEN health.healthy THEN NULL ELSE coalesce(endpoint.failing_since, rules.now) END AS failing_since,
        -- An attempt that began before the pause says nothing about how things are since.
        CASE WHEN health.began_at < endpoint.paused_at THEN endpoint.paused_until END AS paused_until,
        health.pause_until
    FROM health
    CROSS JOIN rules
    CROSS JOIN LATERAL (
        SELECT
            endpoint.ctid::tid AS tid, endpoint.id, endpoint.failures, endpoint.failing_since, endpoint.paused_at,
            endpoint.paused_until
        FROM endpoint
        WHERE endpoint.app_id = health.app_id
            AND endpoint.id = health.endpoint_id
            AND NOT endpoint.disabled
            AND (
                NOT health.healthy
                OR endpoint.failing_since IS NOT NULL
                OR endpoint.paused_until IS NOT NULL
                OR health.pause_until IS NOT NULL
            )
        LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS endpoint
),
circuit AS (
    -- It opens for a quarter of the time that the endpoint has been failing.
    SELECT
        turned.tid, turned.id, turned.gone, turned.failures, turned.failing_since, rules.now,
        greatest(
            turned.paused_until,
            turned.pause_until,
            CASE
                WHEN turned.failures >= rules.circuit_failures
                THEN least(
                    greatest(rules.now + (rules.now - turned.failing_since) / 4, rules.pause_least),
                    rules.pause_most
                )
            END
        ) AS paused_until,
        turned.failures >= rules.disable_failures
            AND coalesce(turned.failing_since <= rules.disable_since, false) AS failing_too_long
    FROM turned
    CROSS JOIN rules
),
judged AS (
    UPDATE endpoint
    SET failures = circuit.failures,
        failing_since = circuit.failing_since,
        paused_until = circuit.paused_until,
        paused_at = CASE
            WHEN circuit.paused_until IS NULL THEN NULL
            WHEN circuit.paused_until = endpoint.paused_until THEN endpoint.paused_at
            ELSE circuit.now
        END,
        disabled = circuit.gone OR circuit.failing_too_long,
        disabled_reason = CASE WHEN circuit.gone THEN 'gone' WHEN circuit.failing_too_long THEN 'failing' END,
        updated_at = CASE WHEN circuit.gone OR circuit.failing_too_long THEN circuit.now ELSE endpoint.updated_at END
    FROM circuit
    WHERE endpoint.ctid = circuit.tid
        AND endpoint.id = circuit.id
    RETURNING endpoint.id, endpoint.disabled, endpoint.disabled OR endpoint.paused_until IS NOT NULL AS resting
),
unhurried AS (
    -- This commit need not wait for the disk: lost, its deliveries are made once more, never missed.
    SELECT set_config('synchronous_commit', 'off', true)
)
SELECT
    recorded.message_id, recorded.endpoint_id, recorded.lease,
    (recorded.endpoint_id IN (SELECT judged.id FROM judged WHERE judged.resting))::boolean AS resting
FROM unhurried
CROSS JOIN (
    SELECT finished.message_id, finished.endpoint_id, finished.lease FROM finished
    UNION ALL
    SELECT rescheduled.message_id, rescheduled.endpoint_id, rescheduled.lease FROM rescheduled
    UNION ALL
    SELECT '', judged.id, 0 FROM judged WHERE judged.disabled
) AS recorded
ORDER BY recorded.message_id, recorded.endpoint_id, recorded.lease
LIMIT @max_rows::int;

-- name: DeliveryFinishMany :many
-- DeliveryFinishMany is DeliveryRecordMany for attempts that succeeded at endpoints that were well: there
-- is nothing to judge and nothing to do again, and nearly all attempts are such.
WITH result AS (
    SELECT
        r.app_id, r.attempt_id, r.message_id, r.endpoint_id, r.url, r.response_status_code, r.response, r.duration_ms,
        r.trigger, r.created_at, r.lease
    FROM unnest(
        @app_ids::text[],
        @attempt_ids::text[],
        @message_ids::text[],
        @endpoint_ids::text[],
        @urls::text[],
        @response_status_codes::smallint[],
        @responses::text[],
        @durations_ms::bigint[],
        @triggers::smallint[],
        @created_ats::timestamptz[],
        @leases::bigint[]
    ) AS r(
        app_id, attempt_id, message_id, endpoint_id, url, response_status_code, response, duration_ms, trigger,
        created_at, lease
    )
),
attempted AS (
    INSERT INTO attempt (
        app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger,
        created_at
    )
    SELECT
        app_id, attempt_id, message_id, endpoint_id, url, 0, response_status_code, response, duration_ms, trigger,
        created_at
    FROM result
    ON CONFLICT (app_id, message_id, id) DO NOTHING
),
held AS MATERIALIZED (
    -- As in DeliveryRecordMany.
    SELECT owed.tid, result.lease
    FROM result
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.lease
        FROM delivery
        WHERE delivery.app_id = result.app_id
            AND delivery.message_id = result.message_id
            AND delivery.endpoint_id = result.endpoint_id
        LIMIT 1
    ) AS owed
    WHERE owed.lease = result.lease
),
finished AS (
    DELETE FROM delivery
    USING held
    WHERE delivery.ctid = held.tid
        AND delivery.lease = held.lease
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
unhurried AS (
    -- As in DeliveryRecordMany.
    SELECT set_config('synchronous_commit', 'off', true)
)
SELECT finished.message_id, finished.endpoint_id, finished.lease
FROM unhurried
CROSS JOIN finished
ORDER BY finished.message_id, finished.endpoint_id, finished.lease
LIMIT cardinality(@attempt_ids::text[]);

-- name: DeliveryReleaseMany :execrows
-- DeliveryReleaseMany makes deliveries due at once whose lease this process still holds.
WITH held AS MATERIALIZED (
    -- As in DeliveryRecordMany.
    SELECT owed.tid, named.lease
    FROM unnest(@app_ids::text[], @message_ids::text[], @endpoint_ids::text[], @leases::bigint[])
        AS named(app_id, message_id, endpoint_id, lease)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.lease
        FROM delivery
        WHERE delivery.app_id = named.app_id
            AND delivery.message_id = named.message_id
            AND delivery.endpoint_id = named.endpoint_id
        LIMIT 1
    ) AS owed
    WHERE owed.lease = named.lease
)
UPDATE delivery
SET due_at = @now::timestamptz,
    state = 'waiting'
FROM held
WHERE delivery.ctid = held.tid
    AND delivery.lease = held.lease;

-- name: DeliveryPostponeMany :one
-- DeliveryPostponeMany gives back leases of deliveries whose attempt could not be made through no fault of
-- their endpoint, each until a time of its own, and counts those that were still held. Nothing else about
-- the delivery changes. An endpoint that was waiting for this attempt to probe it may be probed again then.
WITH held AS MATERIALIZED (
    -- As in DeliveryRecordMany.
    SELECT owed.tid, named.lease, named.leased_until, named.due_at
    FROM unnest(
        @app_ids::text[],
        @message_ids::text[],
        @endpoint_ids::text[],
        @leases::bigint[],
        @leased_untils::timestamptz[],
        @due_ats::timestamptz[]
    ) AS named(app_id, message_id, endpoint_id, lease, leased_until, due_at)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.lease
        FROM delivery
        WHERE delivery.app_id = named.app_id
            AND delivery.message_id = named.message_id
            AND delivery.endpoint_id = named.endpoint_id
        LIMIT 1
    ) AS owed
    WHERE owed.lease = named.lease
),
postponed AS (
    UPDATE delivery
    SET due_at = held.due_at,
        state = 'waiting',
        resume_at = CASE WHEN delivery.manual THEN delivery.resume_at ELSE held.due_at END
    FROM held
    WHERE delivery.ctid = held.tid
        AND delivery.lease = held.lease
    RETURNING delivery.app_id, delivery.endpoint_id, held.leased_until, held.due_at
),
probed AS (
    -- A claim that probes an endpoint pauses it until the lease ends. SKIP LOCKED as in DeliveryRecordMany:
    -- what is left out is probed a lease later.
    SELECT endpoint.tid, endpoint.id, postponed.due_at
    FROM postponed
    CROSS JOIN LATERAL (
        SELECT endpoint.ctid::tid AS tid, endpoint.id
        FROM endpoint
        WHERE endpoint.app_id = postponed.app_id
            AND endpoint.id = postponed.endpoint_id
            AND endpoint.paused_until = postponed.leased_until
        LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS endpoint
),
resumed AS (
    UPDATE endpoint
    SET paused_until = probed.due_at
    FROM probed
    WHERE endpoint.ctid = probed.tid
        AND endpoint.id = probed.id
)
SELECT count(*)
FROM postponed;

-- name: DeliveryRecall :one
-- DeliveryRecall has workers give back what they hold of an application's deliveries and have not begun,
-- once the transaction is committed: some of it may be owed no more, or to another address.
SELECT pg_notify('postrider_delivery', recalled.app_id)::text
FROM (SELECT @app_id::text AS app_id) AS recalled;

-- name: DeliveryAnnounceAnyTenant :one
-- DeliveryAnnounceAnyTenant tells workers that deliveries became due: those that wait with an empty payload, and
-- if all are fresh, with 'fresh'.
SELECT pg_notify('postrider_delivery', CASE WHEN @waiting::boolean THEN '' ELSE 'fresh' END)::text;

-- name: DeliveryInsert :execrows
-- DeliveryInsert makes a delivery that is due now; no row: the message is owed to the endpoint already.
INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue)
SELECT
    endpoint.app_id, @message_id::text, endpoint.id, @now::timestamptz, 0,
    CASE WHEN endpoint.fifo THEN 2 ELSE 0 END
FROM endpoint
CROSS JOIN pg_notify('postrider_delivery', '')
WHERE endpoint.app_id = @app_id::text
    AND endpoint.id = @endpoint_id::text
ON CONFLICT (app_id, message_id, endpoint_id) DO NOTHING;

-- name: DeliveryResend :execrows
-- DeliveryResend makes a delivery due now, for one attempt. If the message is owed to the endpoint
-- already, that attempt comes first, and the schedule goes on behind it. An attempt under way loses its
-- lease: were it to end the delivery, the one that was asked for would never be made. At a FIFO
-- endpoint it has to wait its turn.
INSERT INTO delivery AS owed (app_id, message_id, endpoint_id, due_at, lease, manual, queue)
SELECT
    endpoint.app_id, @message_id::text, endpoint.id, @now::timestamptz, 0, true,
    CASE WHEN endpoint.fifo THEN 2 ELSE 0 END
FROM endpoint
CROSS JOIN pg_notify('postrider_delivery', '')
WHERE endpoint.app_id = @app_id::text
    AND endpoint.id = @endpoint_id::text
ON CONFLICT (app_id, message_id, endpoint_id) DO UPDATE
SET due_at = excluded.due_at,
    lease = owed.lease + 1,
    state = 'waiting',
    manual = true,
    queue = CASE WHEN owed.queue = 2 THEN 2 ELSE 0 END,
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
-- DeliveryDueMany tells of messages that are owed to an endpoint when they are due, and of which that is the end
-- of a lease.
SELECT
    owed.message_id,
    owed.due_at,
    (owed.state = 'leased')::boolean AS leased
FROM unnest(@message_ids::text[]) AS wanted(message_id)
CROSS JOIN LATERAL (
    -- LIMIT: a look-up for each, where a join might read all that is owed to the endpoint.
    SELECT delivery.message_id, delivery.due_at, delivery.state
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND delivery.message_id = wanted.message_id
        AND delivery.endpoint_id = @endpoint_id::text
    LIMIT 1
) AS owed
ORDER BY owed.message_id
LIMIT cardinality(@message_ids::text[]);
