-- name: MessageInsertMany :many
-- MessageInsertMany stores the messages of many callers with the deliveries they are owed and their
-- idempotency keys. A message that cannot be stored (no such application, a key or an event id that
-- is known) leaves the others alone: what is returned of it has no stored_id. A row is returned for
-- each message, and for one with deliveries that are leased to this process, a row for each of those.
WITH input AS (
    SELECT *
    FROM unnest(
        @org_ids::text[],
        @app_refs::text[],
        @ids::text[],
        @event_ids::text[],
        @event_types::text[],
        @channels::text[],
        @tags::text[],
        @payloads::text[],
        @expires_ats::timestamptz[],
        @created_ats::timestamptz[],
        @key_hashes::bytea[]
    ) WITH ORDINALITY AS i(
        org_id, app_ref, id, event_id, event_type, channels, tags, payload, expires_at, created_at, key_hash, n
    )
),
addressed AS (
    -- Two look-ups, by id and by uid, each on its index; only one of them can find anything.
    SELECT input.n, input.id, input.event_id, input.key_hash, application.id AS app_id
    FROM input
    JOIN application ON application.org_id = input.org_id
        AND application.id = input.app_ref
        AND application.deleted_at IS NULL
    UNION ALL
    SELECT input.n, input.id, input.event_id, input.key_hash, application.id AS app_id
    FROM input
    JOIN application ON application.org_id = input.org_id
        AND application.uid = input.app_ref
        AND application.deleted_at IS NULL
),
known AS (
    SELECT addressed.n, message_key.message_id
    FROM addressed
    JOIN message_key ON message_key.app_id = addressed.app_id
        AND message_key.key_hash = addressed.key_hash
        AND message_key.created_at > @keys_since::timestamptz
    WHERE addressed.key_hash <> ''
),
named AS (
    -- In the order of the index, so that two statements with the same names wait for each other
    -- and never in a circle.
    INSERT INTO message_event_id (app_id, event_id, message_id)
    SELECT addressed.app_id, addressed.event_id, addressed.id
    FROM addressed
    WHERE addressed.event_id <> ''
        AND NOT EXISTS (SELECT FROM known WHERE known.n = addressed.n)
    ORDER BY addressed.app_id, addressed.event_id, addressed.n
    ON CONFLICT (app_id, event_id) DO NOTHING
    RETURNING message_id
),
keyed AS (
    -- A key that has outlived its 12 hours is taken over. DISTINCT: of twins in one batch the first
    -- wins, and the other finds it as it would one of another statement.
    INSERT INTO message_key AS old (app_id, key_hash, message_id, created_at)
    SELECT DISTINCT ON (addressed.app_id, addressed.key_hash)
        addressed.app_id, addressed.key_hash, addressed.id, @now::timestamptz
    FROM addressed
    WHERE addressed.key_hash <> ''
        AND NOT EXISTS (SELECT FROM known WHERE known.n = addressed.n)
        AND (addressed.event_id = '' OR EXISTS (SELECT FROM named WHERE named.message_id = addressed.id))
    ORDER BY addressed.app_id, addressed.key_hash, addressed.n
    ON CONFLICT (app_id, key_hash) DO UPDATE
    SET message_id = excluded.message_id,
        created_at = excluded.created_at
    WHERE old.created_at <= @keys_since::timestamptz
    RETURNING message_id
),
stored AS (
    INSERT INTO message (app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at)
    SELECT
        addressed.app_id,
        input.id,
        nullif(input.event_id, ''),
        input.event_type,
        string_to_array(nullif(input.channels, ''), ','),
        string_to_array(nullif(input.tags, ''), ','),
        input.payload,
        input.expires_at,
        input.created_at
    FROM addressed
    JOIN input ON input.n = addressed.n
    WHERE (addressed.event_id = '' OR EXISTS (SELECT FROM named WHERE named.message_id = addressed.id))
        AND (addressed.key_hash = '' OR EXISTS (SELECT FROM keyed WHERE keyed.message_id = addressed.id))
    RETURNING app_id, id, event_type, channels
),
owed AS MATERIALIZED (
    -- The fan-out. The first of them, as far as this process has room, are born leased to it.
    SELECT
        stored.app_id,
        stored.id AS message_id,
        endpoint.id AS endpoint_id,
        endpoint.url,
        endpoint.secret,
        endpoint.headers,
        row_number() OVER (ORDER BY stored.id, endpoint.id) <= @room::int
            AND row_number() OVER (PARTITION BY endpoint.id ORDER BY stored.id) <= @room_per_endpoint::int
            AND endpoint.id <> ALL (@full_endpoint_ids::text[]) AS leased
    FROM stored
    JOIN endpoint ON endpoint.app_id = stored.app_id
        AND endpoint.deleted_at IS NULL
        AND NOT endpoint.disabled
        AND (endpoint.event_types IS NULL OR stored.event_type = ANY (endpoint.event_types))
        AND (endpoint.channels IS NULL OR endpoint.channels && stored.channels)
),
queued AS (
    INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease)
    SELECT
        owed.app_id,
        owed.message_id,
        owed.endpoint_id,
        CASE WHEN owed.leased THEN @leased_until::timestamptz ELSE @now::timestamptz END,
        CASE WHEN owed.leased THEN 1 ELSE 0 END
    FROM owed
),
announced AS (
    SELECT pg_notify('postrider_delivery', '')
    FROM owed
    WHERE NOT owed.leased
    LIMIT 1
)
SELECT
    input.n::bigint AS n,
    coalesce(addressed.app_id, '')::text AS app_id,
    coalesce(stored.id, '')::text AS stored_id,
    coalesce(known.message_id, '')::text AS known_id,
    coalesce(owed.endpoint_id, '')::text AS endpoint_id,
    coalesce(owed.url, '')::text AS url,
    owed.secret,
    owed.headers,
    (SELECT count(*) FROM announced)::bigint AS announced
FROM input
LEFT JOIN addressed ON addressed.n = input.n
LEFT JOIN known ON known.n = input.n
LEFT JOIN stored ON stored.id = input.id
LEFT JOIN owed ON owed.message_id = input.id AND owed.leased
ORDER BY input.n, owed.endpoint_id
LIMIT @max_rows::int;

-- name: MessageKeyGet :one
-- MessageKeyGet finds the message that was stored with an idempotency key.
SELECT message_id
FROM message_key
WHERE app_id = @app_id
    AND key_hash = @key_hash
    AND created_at > @since;

-- name: MessageGet :one
-- MessageGet finds a message by id, in the one partition that can hold it.
SELECT app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at
FROM message
WHERE app_id = @app_id
    AND id = @id;

-- name: MessageGetByEventID :one
-- MessageGetByEventID finds a message by the sender's own name for it.
SELECT
    message.app_id, message.id, message.event_id, message.event_type, message.channels, message.tags,
    message.payload, message.expires_at, message.created_at
FROM message_event_id
JOIN message ON message.app_id = message_event_id.app_id
    AND message.id = message_event_id.message_id
WHERE message_event_id.app_id = @app_id
    AND message_event_id.event_id = @event_id;

-- name: MessageListDescending :many
-- MessageListDescending lists messages, newest first.
SELECT app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at
FROM message
WHERE app_id = @app_id
    AND id > @after::text
    AND id < @before::text
    AND (@channel::text = '' OR @channel::text = ANY (channels))
    AND (@tag::text = '' OR @tag::text = ANY (tags))
    AND (cardinality(@event_types::text[]) = 0 OR event_type = ANY (@event_types::text[]))
ORDER BY id DESC
LIMIT @max_rows::int;

-- name: MessageListAscending :many
-- MessageListAscending lists messages, oldest first.
SELECT app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at
FROM message
WHERE app_id = @app_id
    AND id > @after::text
    AND id < @before::text
    AND (@channel::text = '' OR @channel::text = ANY (channels))
    AND (@tag::text = '' OR @tag::text = ANY (tags))
    AND (cardinality(@event_types::text[]) = 0 OR event_type = ANY (@event_types::text[]))
ORDER BY id
LIMIT @max_rows::int;
