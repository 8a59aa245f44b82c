-- name: OutboxListAnyTenant :many
-- OutboxListAnyTenant lists the first messages in the outbox by id, with the size of their payloads and, in each row,
-- the snapshot of the list. If the outbox is empty, it returns one row with bytes of -1. It locks nothing. From an id
-- on it looks at all messages; below it, only at those of transactions that had not ended in the snapshot seen, if
-- there is one.
WITH late AS MATERIALIZED (
    -- Uses the index on txid alone: with a condition on id, the planner might walk over all rows that were taken.
    -- Transactions that were in progress and still are have no visible rows, however many they inserted.
    SELECT outbox.id
    FROM outbox
    WHERE outbox.txid >= pg_snapshot_xmax(CAST(nullif(@seen::text, '') AS pg_snapshot))
    UNION ALL
    SELECT outbox.id
    FROM outbox
    WHERE outbox.txid = ANY (
        ARRAY(
            SELECT begun.xid
            FROM pg_snapshot_xip(CAST(nullif(@seen::text, '') AS pg_snapshot)) AS begun(xid)
            WHERE pg_visible_in_snapshot(begun.xid, pg_current_snapshot())
        )
    )
)
SELECT
    looked.snapshot::text AS snapshot,
    coalesce(waiting.id, 0)::bigint AS id,
    coalesce(waiting.txid, '0')::xid8 AS txid,
    coalesce(waiting.bytes, -1)::bigint AS bytes
FROM (SELECT pg_current_snapshot() AS snapshot) AS looked
LEFT JOIN (
    (
        SELECT
            outbox.id,
            outbox.txid,
            octet_length(outbox.payload) AS bytes
        FROM outbox
        WHERE outbox.id >= @from_id::bigint
        ORDER BY outbox.id
        LIMIT @max_rows::int
    )
    UNION ALL
    SELECT
        outbox.id,
        outbox.txid,
        octet_length(outbox.payload) AS bytes
    FROM outbox
    WHERE outbox.id = ANY (
        ARRAY(
            SELECT late.id
            FROM late
            WHERE late.id < @from_id::bigint
            ORDER BY late.id
            LIMIT @max_rows::int
        )
    )
) AS waiting ON TRUE
ORDER BY waiting.id
LIMIT @max_rows::int;

-- name: OutboxGetManyAnyTenant :many
-- OutboxGetManyAnyTenant reads messages. Rows older than the constraints may contain anything: it reads a NULL among
-- channels or tags as an empty name, channels that are far too long as no names, and such tags as an empty name; core
-- rejects all of these. It ignores a traceparent that is too long.
SELECT
    id, txid, org_id, application, event_type, payload, event_id,
    CASE
        WHEN octet_length(array_to_string(channels, ',', '')) > 65536 THEN '{}'
        ELSE array_replace(channels, NULL, '')
    END::text[] AS channels,
    CASE
        WHEN octet_length(array_to_string(tags, ',', '')) > 65536 THEN '{""}'
        WHEN cardinality(tags) > 0 THEN array_replace(tags, NULL, '')
    END::text[] AS tags,
    CASE WHEN octet_length(traceparent) <= 256 THEN traceparent END AS traceparent
FROM outbox
WHERE id = ANY (@ids::bigint[])
ORDER BY id
LIMIT cardinality(@ids::bigint[]);

-- name: OutboxCountAnyTenant :one
-- OutboxCountAnyTenant counts the messages in the outbox, up to max_rows. While any session holds a snapshot, it also
-- reads all rows removed since, so it must not be called often.
SELECT count(*)::bigint AS waiting
FROM (
    SELECT outbox.id
    FROM outbox
    ORDER BY outbox.id
    LIMIT @max_rows::int
) AS first_ones;

-- name: OutboxLockTimeoutAnyTenant :one
-- OutboxLockTimeoutAnyTenant bounds how long the transaction waits for a lock.
SELECT set_config('lock_timeout', @timeout::text, true)::text;

-- name: OutboxLockManyAnyTenant :many
-- OutboxLockManyAnyTenant locks the messages that are still in the outbox, and returns them with the transactions
-- that inserted them, because ids may start over. It waits for another consumer that has locked them: that consumer
-- takes the first messages, and later ones must not be stored before them.
SELECT
    id,
    txid
FROM outbox
WHERE id = ANY (@ids::bigint[])
ORDER BY id
LIMIT cardinality(@ids::bigint[])
FOR UPDATE;

-- name: OutboxDeleteManyAnyTenant :execrows
-- OutboxDeleteManyAnyTenant deletes stored messages.
DELETE FROM outbox
WHERE id = ANY (@ids::bigint[]);

-- name: OutboxDeadLetterManyAnyTenant :execrows
-- OutboxDeadLetterManyAnyTenant moves messages that cannot be stored to the dead letters, each with its reason.
WITH refused AS (
    DELETE FROM outbox
    WHERE outbox.id = ANY (@ids::bigint[])
    RETURNING
        outbox.id, outbox.org_id, outbox.application, outbox.event_type, outbox.payload, outbox.event_id,
        outbox.channels, outbox.tags, outbox.traceparent, outbox.created_at
)
INSERT INTO outbox_dead_letter (
    id, org_id, application, event_type, payload, event_id, channels, tags, traceparent, created_at, reason, refused_at
)
SELECT
    refused.id, refused.org_id, refused.application, refused.event_type, refused.payload, refused.event_id,
    refused.channels, refused.tags, refused.traceparent, refused.created_at, why.reason, @now::timestamptz
FROM refused
JOIN unnest(@ids::bigint[], @reasons::text[]) AS why(id, reason) ON why.id = refused.id
ORDER BY refused.id;
