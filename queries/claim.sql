-- name: DeliveryOwedListAnyTenant :many
-- DeliveryOwedListAnyTenant goes from queue to queue, by kind and then by endpoint, with one index probe per queue,
-- however many deliveries wait there. It lists the queues in which something is due, with the limits of the endpoint
-- and the application, the queues whose deliveries are no longer owed, and the last queue it looked at. Deliveries
-- that wait for another delivery are in queues after all others, and are not looked at.
--
-- The floors are the queues of which many deliveries were claimed, in their order, each with the place to look from:
-- claimed deliveries leave dead index entries, which stay while any session holds a snapshot. The last floor of each
-- kind is a queue after all others, in which nothing waits.
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
        floor.queue,
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
        -- Not a row comparison: Postgres does not end a scan at the second column of an upper bound, and would read
        -- the index from here to its end to find nothing before the floor.
        SELECT delivery.app_id, delivery.endpoint_id, delivery.due_at
        FROM delivery
        WHERE delivery.queue = floor.queue
            AND delivery.endpoint_id > CASE WHEN owed.queue = floor.queue THEN owed.endpoint_id ELSE '' END
            AND delivery.endpoint_id < floor.endpoint_id
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
        AND floor.queue IS NOT NULL
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

-- name: DeliveryClaimManyAnyTenant :many
-- DeliveryClaimManyAnyTenant leases due deliveries of the given queues, up to a limit for each. A row without a lease
-- cannot be sent: its payload is gone, or its endpoint was disabled or deleted just now. From an ordered queue it
-- takes only the first delivery, and nothing while that is leased or waits for a retry. Of a large payload it reads
-- only the size. In each queue it starts at the delivery that was the first there before, by time or by number:
-- claimed deliveries leave dead index entries, which stay while any session holds a snapshot.
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
    -- Without a lock, because a lock with SKIP LOCKED would return the next delivery when another worker has locked
    -- this one.
    SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
    FROM queue
    CROSS JOIN LATERAL (
        SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
        FROM delivery
        WHERE delivery.endpoint_id = queue.endpoint_id
            AND delivery.queue = 2 -- ordered
            AND delivery.seq >= queue.seq
        ORDER BY delivery.seq
        LIMIT 1
    ) AS delivery
    WHERE queue.queue = 2 -- ordered
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
            AND delivery.state || '' = 'waiting' -- prevents the use of an index on all waiting deliveries
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS candidate
),
due AS MATERIALIZED (
    -- SKIP LOCKED, because another worker is claiming those at this moment.
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
    WHERE queue.queue <> 2 -- ordered
    LIMIT @room::int
),
taken AS MATERIALIZED (
    -- LATERAL with LIMIT 1 makes one index probe per row, whatever the statistics say. Planned as a join, the look-up
    -- of messages once read all messages of a large application.
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
