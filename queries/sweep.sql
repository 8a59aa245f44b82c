-- name: DeliveryExpireManyAnyTenant :one
-- DeliveryExpireManyAnyTenant makes deliveries due whose leases ended between two times, and returns how many it made
-- due.
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
-- DeliveryPassedManyAnyTenant makes fresh deliveries due that the position has passed, and returns how many it made
-- due. Such deliveries were locked at that moment, or come from another cluster with other transaction numbers. If
-- there is no position, it creates one.
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
-- DeliveryFirstManyAnyTenant returns the first due time in each of the given queues, and the lowest number in ordered
-- ones. It reads past all dead entries of the queues, so claims start at the place they remember instead.
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
    WHERE q.queue = 2 -- ordered
        AND delivery.endpoint_id = q.endpoint_id
        AND delivery.queue = 2 -- ordered
    ORDER BY delivery.seq
    LIMIT 1
) AS in_order ON true
ORDER BY q.queue, q.endpoint_id
LIMIT cardinality(@queues::smallint[]);
