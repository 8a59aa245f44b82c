-- name: DeliveryTakeManyAnyTenant :many
-- DeliveryTakeManyAnyTenant reads up to @most fresh deliveries from the position of the previous take, and advances
-- the position. It leases up to @room of those that may be sent at once, and makes the rest wait: those for which
-- their endpoint or application has no room here, and those that must be claimed because of the state of either. If
-- there is not enough room for all, applications take turns. Of a large payload it reads only the size, and
-- MessagePayloadGet reads the rest. The row without a message contains the number of deliveries read, in place of a
-- lease. There is no such row while another process takes. The columns are those of DeliveryClaimManyAnyTenant.
WITH place AS MATERIALIZED (
    SELECT
        delivery_position.id,
        -- Transaction numbers of another cluster, before a restore, say nothing about those here.
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
    -- Deliveries of transactions that were in progress at the previous position and have committed since.
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
    -- SKIP LOCKED: the process that is changing it makes it wait, or DeliveryExpireManyAnyTenant does.
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
        -- The last transaction, of which there may be more deliveries. Postgres 15 has no max(xid8).
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
    -- An array, because it cannot be joined: a join may read all positions deleted before.
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
        -- Due from now on, because a claim may have looked at what was due before.
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
    -- This commit need not wait for the disk: if it is lost, the deliveries are fresh again.
    SELECT set_config('synchronous_commit', 'off', true)
)
SELECT
    moved.app_id::text AS app_id,
    moved.message_id::text AS message_id,
    moved.endpoint_id::text AS endpoint_id,
    0::smallint AS queue, -- first
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
    false AS manual,
    NULL::timestamptz AS resume_at,
    coalesce(moved.subject, '')::text AS subject,
    (moved.failing_since IS NOT NULL)::boolean AS failing,
    0::bigint AS seq
FROM unhurried
CROSS JOIN moved
WHERE moved.leased
UNION ALL
SELECT '', '', '', 0, counted.n, 0, '', '', '{}', NULL, NULL, '', 0, NULL, NULL, false, NULL, '', false, 0
FROM place
CROSS JOIN counted
ORDER BY message_id, endpoint_id
LIMIT @max_rows::int;
