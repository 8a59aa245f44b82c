-- name: StateLeaseAnyTenant :execrows
-- StateLeaseAnyTenant makes a process the one that reads the state, or keeps it that, until a time. It changes nothing
-- while another one is. A lease beyond @longest is from before the server's clock was set back, and counts for nothing.
INSERT INTO state_reader (reader, expires_at)
VALUES (@reader, @until)
ON CONFLICT (one) DO UPDATE
SET reader = excluded.reader,
    expires_at = excluded.expires_at
WHERE state_reader.reader = excluded.reader
    OR state_reader.expires_at <= @now::timestamptz
    OR state_reader.expires_at > @longest::timestamptz;

-- name: StateLimitAnyTenant :one
-- StateLimitAnyTenant makes Postgres cancel the following statements of the transaction if they take longer.
SELECT set_config('statement_timeout', @statement_timeout::text, true)::text;

-- name: StateOwedAnyTenant :many
-- StateOwedAnyTenant counts the deliveries that are owed, by queue. It reads up to @most entries of each queue, of the
-- leased ones and of the fresh ones, and returns no more than @most. Fresh ones are counted from the position of the
-- latest take, as takes look for them, and leased ones from @leased_since on, so that the dead rows of earlier ones are
-- not read. leased_at is when the first lease that was counted ends, or @now.
WITH place AS MATERIALIZED (
    SELECT delivery_position.snapshot
    FROM delivery_position
    ORDER BY delivery_position.id DESC
    LIMIT 1
),
leased AS MATERIALIZED (
    SELECT few.queue, count(*) AS n, min(few.due_at) AS first_at
    FROM (
        SELECT delivery.queue, delivery.due_at
        FROM delivery
        WHERE delivery.state = 'leased'
            AND delivery.due_at >= @leased_since::timestamptz
        ORDER BY delivery.due_at
        LIMIT @most::int
    ) AS few
    GROUP BY few.queue
),
fresh AS MATERIALIZED (
    SELECT count(*) AS n
    FROM (
        SELECT
        FROM delivery
        WHERE delivery.state = 'fresh'
            AND delivery.txid >= (
                -- Transaction numbers of another cluster, before a restore, say nothing about those here.
                SELECT coalesce(max(pg_snapshot_xmin(place.snapshot)::text), '3')::xid8
                FROM place
                WHERE pg_snapshot_xmax(place.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
            )
        ORDER BY delivery.txid
        LIMIT @most::int
    ) AS few
)
SELECT
    kind.queue::smallint AS queue,
    least(
        waiting.n
        + coalesce((SELECT leased.n FROM leased WHERE leased.queue = kind.queue), 0)
        + CASE WHEN kind.queue = 0 THEN (SELECT fresh.n FROM fresh) ELSE 0 END, -- first
        @most::int
    )::bigint AS owed,
    coalesce((SELECT min(leased.first_at) FROM leased), @now)::timestamptz AS leased_at
FROM unnest(CAST('{0,1,2,3}' AS smallint[])) AS kind(queue) -- first, retry, ordered, behind
CROSS JOIN LATERAL (
    SELECT count(*) AS n
    FROM (
        SELECT
        FROM delivery
        WHERE delivery.queue = kind.queue
            AND delivery.state = 'waiting'
        ORDER BY delivery.endpoint_id, delivery.due_at
        LIMIT @most::int
    ) AS few
) AS waiting
ORDER BY kind.queue
LIMIT 4;

-- name: StateOldestDueAnyTenant :one
-- StateOldestDueAnyTenant returns the time since when the oldest delivery is due that a worker could make now, or the
-- first instant of the year 1 if none is. Deliveries that wait for their endpoint or for others do not count: those to
-- paused endpoints, also while one attempt probes them, those delayed by rates that were used since @paced_since, and
-- those to FIFO endpoints but the first. It goes from queue to queue, with one index probe per queue, and looks at up to
-- @max_queues. Leases count that ended after @leased_since.
WITH RECURSIVE place AS MATERIALIZED (
    SELECT delivery_position.snapshot
    FROM delivery_position
    ORDER BY delivery_position.id DESC
    LIMIT 1
),
waiting AS (
    SELECT
        NULL::text COLLATE "C" AS app_id,
        CAST('' AS text) COLLATE "C" AS endpoint_id,
        0::smallint AS queue, -- first
        NULL::timestamptz AS due_at,
        0 AS n
    UNION ALL
    SELECT following.app_id, following.endpoint_id, following.queue, following.due_at, waiting.n + 1
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT delivery.app_id, delivery.endpoint_id, delivery.queue, delivery.due_at
        FROM delivery
        WHERE (delivery.queue, delivery.endpoint_id) > (waiting.queue, waiting.endpoint_id)
            AND delivery.queue < 3 -- behind
            AND delivery.state = 'waiting'
        ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
        LIMIT 1
    ) AS following
    WHERE waiting.n < @max_queues::int
),
due AS (
    -- The first in the order of their times that could be made: the others are not looked up.
    (
        SELECT oldest.due_at
        FROM (
            SELECT waiting.app_id, waiting.endpoint_id, waiting.due_at
            FROM waiting
            WHERE waiting.due_at <= @now::timestamptz
                AND waiting.queue < 2 -- ordered
            ORDER BY waiting.due_at
        ) AS oldest
        CROSS JOIN LATERAL (
            SELECT endpoint.id
            FROM endpoint
            WHERE endpoint.app_id = oldest.app_id
                AND endpoint.id = oldest.endpoint_id
                AND endpoint.deleted_at IS NULL
                AND NOT endpoint.disabled
                AND endpoint.paused_until IS NULL
                AND (endpoint.throttle_rate IS NULL OR endpoint.throttled_until IS NULL OR endpoint.throttled_until < @paced_since::timestamptz)
            LIMIT 1
        ) AS endpoint
        CROSS JOIN LATERAL (
            SELECT application.id
            FROM application
            WHERE application.id = oldest.app_id
                AND (application.throttle_rate IS NULL OR application.throttled_until IS NULL OR application.throttled_until < @paced_since::timestamptz)
            LIMIT 1
        ) AS application
        ORDER BY oldest.due_at
        LIMIT 1
    )
    UNION ALL
    -- Of FIFO endpoints, only the first by number can be made.
    SELECT in_order.due_at
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT delivery.due_at, delivery.state
        FROM delivery
        WHERE delivery.endpoint_id = waiting.endpoint_id
            AND delivery.queue = 2 -- ordered
        ORDER BY delivery.seq
        LIMIT 1
    ) AS in_order
    CROSS JOIN LATERAL (
        SELECT endpoint.id
        FROM endpoint
        WHERE endpoint.app_id = waiting.app_id
            AND endpoint.id = waiting.endpoint_id
            AND endpoint.deleted_at IS NULL
            AND NOT endpoint.disabled
            AND endpoint.paused_until IS NULL
            AND (endpoint.throttle_rate IS NULL OR endpoint.throttled_until IS NULL OR endpoint.throttled_until < @paced_since::timestamptz)
        LIMIT 1
    ) AS endpoint
    CROSS JOIN LATERAL (
        SELECT application.id
        FROM application
        WHERE application.id = waiting.app_id
            AND (application.throttle_rate IS NULL OR application.throttled_until IS NULL OR application.throttled_until < @paced_since::timestamptz)
        LIMIT 1
    ) AS application
    WHERE waiting.queue = 2 -- ordered
        AND waiting.due_at <= @now::timestamptz
        AND in_order.state = 'waiting'
        AND in_order.due_at <= @now::timestamptz
    UNION ALL
    -- A worker that died had it.
    SELECT leased.due_at
    FROM (
        SELECT delivery.due_at
        FROM delivery
        WHERE delivery.state = 'leased'
            AND delivery.due_at >= @leased_since::timestamptz
        ORDER BY delivery.due_at
        LIMIT 1
    ) AS leased
    WHERE leased.due_at <= @now::timestamptz
    UNION ALL
    SELECT fresh.due_at
    FROM (
        SELECT delivery.due_at
        FROM delivery
        WHERE delivery.state = 'fresh'
            AND delivery.txid >= (
                SELECT coalesce(max(pg_snapshot_xmin(place.snapshot)::text), '3')::xid8
                FROM place
                WHERE pg_snapshot_xmax(place.snapshot) <= pg_snapshot_xmax(pg_current_snapshot())
            )
        ORDER BY delivery.txid
        LIMIT 1
    ) AS fresh
    WHERE fresh.due_at <= @now::timestamptz
)
SELECT coalesce(min(due.due_at), '0001-01-01Z')::timestamptz AS due_at
FROM due;

-- name: StateEndpointsAnyTenant :one
-- StateEndpointsAnyTenant counts endpoints by state, of up to @most rows after the given one, and returns the last of
-- them. It includes the rows of deleted endpoints in @most.
WITH looked AS MATERIALIZED (
    SELECT
        endpoint.app_id, endpoint.id,
        CASE
            WHEN endpoint.deleted_at IS NOT NULL THEN 'deleted'
            WHEN endpoint.disabled THEN 'disabled'
            WHEN endpoint.paused_until IS NOT NULL THEN 'paused'
            WHEN endpoint.failing_since IS NOT NULL THEN 'failing'
            ELSE 'enabled'
        END AS state
    FROM endpoint
    WHERE (endpoint.app_id, endpoint.id) > (@after_app_id::text, @after_endpoint_id::text)
    ORDER BY endpoint.app_id, endpoint.id
    LIMIT @most::int
)
SELECT
    count(*)::int AS looked,
    count(*) FILTER (WHERE looked.state = 'enabled') AS enabled,
    count(*) FILTER (WHERE looked.state = 'failing') AS failing,
    count(*) FILTER (WHERE looked.state = 'paused') AS paused,
    count(*) FILTER (WHERE looked.state = 'disabled') AS disabled,
    coalesce(max(looked.app_id), '')::text AS last_app_id,
    coalesce((SELECT max(last.id) FROM looked AS last WHERE last.app_id = (SELECT max(top.app_id) FROM looked AS top)), '')::text AS last_id
FROM looked;

-- name: StateOutboxAnyTenant :one
-- StateOutboxAnyTenant counts what waits in the outbox, and what was refused there, up to @most of each. It counts rows of
-- the transaction @since_txid and later ones, so that the dead rows of earlier ones are not read. outbox_txid is the first
-- transaction of which there is a row, or of which there may be one later.
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT
            FROM outbox
            WHERE outbox.txid >= @since_txid::xid8
            ORDER BY outbox.txid
            LIMIT @most::int
        ) AS few
    )::bigint AS outbox_rows,
    coalesce(
        (
            SELECT outbox.txid
            FROM outbox
            WHERE outbox.txid >= @since_txid::xid8
            ORDER BY outbox.txid
            LIMIT 1
        ),
        pg_snapshot_xmin(pg_current_snapshot())
    )::xid8 AS outbox_txid,
    (SELECT count(*) FROM (SELECT FROM dead_letter_id ORDER BY dead_letter_id.letter_id LIMIT @most::int) AS few)::bigint AS dead_letters;

-- name: StateServerAnyTenant :one
-- StateServerAnyTenant returns since when vacuum is held back, and whether the owner of the schema may know that.
SELECT
    held.known::boolean AS held_known,
    coalesce(held.since, '0001-01-01Z')::timestamptz AS held_since,
    coalesce(held.standby_xmin, '')::text AS standby_xmin
FROM vacuum_held() AS held;

-- name: StatePartitionsAnyTenant :many
-- StatePartitionsAnyTenant lists the partitions that hold the ids of a time or of later ones, in their order.
SELECT
    partition.parent::text AS parent,
    partition.from_id::text AS from_id,
    partition.to_id::text AS to_id
FROM partition
WHERE partition.to_id COLLATE "C" > CASE partition.parent WHEN 'message' THEN @message_id::text ELSE @attempt_id::text END
ORDER BY partition.parent, partition.from_id COLLATE "C"
LIMIT @max_rows::int;
