-- name: MessageInsertMany :many
-- MessageInsertMany stores the messages of many callers with their deliveries and idempotency keys. A message that
-- cannot be stored (the application does not exist, or the key or event id is known) does not affect the others. It
-- returns a row for each delivery that is leased to this process, for each other message that was stored, and for
-- each message that was not stored although its application exists. A row without ids means that deliveries in the
-- given state are due that are not leased, and must be announced.
WITH addressed AS (
    -- Each application once, however many messages it gets. Two look-ups, by id and by uid, each on its own index;
    -- only one of them can find anything.
    SELECT wanted.n, application.id AS app_id, application.throttle_rate
    FROM unnest(@org_ids::text[], @app_refs::text[]) WITH ORDINALITY AS wanted(org_id, app_ref, n)
    JOIN application ON application.org_id = wanted.org_id
        AND application.id = wanted.app_ref
        AND application.deleted_at IS NULL
    UNION ALL
    SELECT wanted.n, application.id AS app_id, application.throttle_rate
    FROM unnest(@org_ids::text[], @app_refs::text[]) WITH ORDINALITY AS wanted(org_id, app_ref, n)
    JOIN application ON application.org_id = wanted.org_id
        AND application.uid = wanted.app_ref
        AND application.deleted_at IS NULL
),
input AS MATERIALIZED (
    SELECT
        addressed.app_id, i.id, i.event_id, i.event_type, i.channels, i.tags, i.payload, i.expires_at, i.created_at,
        i.key_hash, i.content_type, i.due_at, i.traceparent
    FROM unnest(
        @app_ns::bigint[],
        @ids::text[],
        @event_ids::text[],
        @event_types::text[],
        @channels::text[],
        @tags::text[],
        @payloads::text[],
        @expires_ats::timestamptz[],
        @created_ats::timestamptz[],
        @key_hashes::bytea[],
        @content_types::text[],
        @due_ats::timestamptz[],
        @traceparents::text[]
    ) AS i(
        app_n, id, event_id, event_type, channels, tags, payload, expires_at, created_at, key_hash, content_type,
        due_at, traceparent
    )
    JOIN addressed ON addressed.n = i.app_n
),
batch AS (
    SELECT
        input.app_id,
        array_agg(input.id) AS ids,
        array_agg(input.event_type) AS event_types,
        array_agg(DISTINCT input.event_type) AS distinct_event_types,
        array_agg(input.channels) AS channels,
        array_agg(nullif(input.due_at, input.created_at)) AS deliver_ats
    FROM input
    GROUP BY input.app_id
),
wanted AS MATERIALIZED (
    -- The fan-out. An application's endpoints are read once, however many messages it gets. Each LATERAL refers to
    -- the previous one, so that no statistics can change the order in which they are read. An application that
    -- exceeds the limit is crowded out, however many more deliveries there would be.
    SELECT batch.app_id, found.*
    FROM batch
    CROSS JOIN LATERAL (
        SELECT
            m.message_id,
            m.deliver_at,
            endpoint.id AS endpoint_id,
            endpoint.url,
            endpoint.secret,
            endpoint.headers,
            endpoint.old_secrets,
            endpoint.old_secrets_expire_at,
            endpoint.fifo,
            endpoint.throttle_rate,
            endpoint.paused_until,
            endpoint.failing_since
        FROM endpoint
        CROSS JOIN LATERAL (
            SELECT message.id AS message_id, message.deliver_at
            FROM unnest(batch.ids, batch.event_types, batch.channels, batch.deliver_ats)
                AS message(id, event_type, channels, deliver_at)
            WHERE (endpoint.event_types IS NULL OR message.event_type = ANY (endpoint.event_types))
                AND (endpoint.channels IS NULL OR endpoint.channels && string_to_array(message.channels, ','))
            OFFSET 0
        ) AS m
        WHERE endpoint.app_id = batch.app_id
            AND endpoint.deleted_at IS NULL
            AND NOT endpoint.disabled
            AND (endpoint.event_types IS NULL OR endpoint.event_types && batch.distinct_event_types)
        LIMIT @too_many::bigint
    ) AS found
),
crowded AS (
    -- The applications with the most deliveries, until the others are few enough.
    SELECT counted.app_id
    FROM (
        SELECT wanted.app_id, sum(count(*)) OVER (ORDER BY count(*), wanted.app_id) AS total
        FROM wanted
        GROUP BY wanted.app_id
    ) AS counted
    WHERE counted.total >= @too_many::bigint
),
locked AS MATERIALIZED (
    -- Deliveries to FIFO endpoints are numbered under a lock of their application, which is taken here, before
    -- anything is written, and held until the commit: every transaction that sees a number sees all lower ones of the
    -- application. If another transaction holds it, the application's messages are left out rather than make
    -- everybody's wait, unless the caller prefers to wait. Waiting callers lock in the order of the applications.
    SELECT ordered.app_id
    FROM (
        SELECT DISTINCT wanted.app_id, hashtextextended(format('%s delivery %s', current_schema(), wanted.app_id), 0) AS key
        FROM wanted
        WHERE wanted.fifo
        ORDER BY wanted.app_id
        OFFSET 0
    ) AS ordered
    WHERE CASE
        WHEN @wait_for_locks::boolean THEN pg_advisory_xact_lock(ordered.key)::text IS NULL
        ELSE NOT pg_try_advisory_xact_lock(ordered.key)
    END
),
left_out AS (
    SELECT crowded.app_id FROM crowded
    UNION ALL
    SELECT locked.app_id FROM locked
),
named AS (
    -- In index order, so that two statements with the same names wait for each other and never deadlock. A message
    -- that is sent again with its key must not take another name.
    INSERT INTO message_event_id (app_id, event_id, message_id)
    SELECT input.app_id, input.event_id, input.id
    FROM input
    WHERE input.event_id <> ''
        AND input.app_id NOT IN (SELECT left_out.app_id FROM left_out)
        AND NOT EXISTS (
            SELECT
            FROM message_key
            WHERE message_key.app_id = input.app_id
                AND message_key.key_hash = input.key_hash
                AND message_key.created_at > @keys_since::timestamptz
        )
    ORDER BY input.app_id, input.event_id, input.id
    ON CONFLICT (app_id, event_id) DO NOTHING
    RETURNING message_id
),
keyed AS (
    -- A key older than its 12 hours is taken over. DISTINCT: of duplicates in one batch the first wins, and the other
    -- finds it like a key of another statement.
    INSERT INTO message_key AS old (app_id, key_hash, message_id, created_at)
    SELECT DISTINCT ON (input.app_id, input.key_hash)
        input.app_id, input.key_hash, input.id, @now::timestamptz
    FROM input
    WHERE input.key_hash <> ''
        AND input.app_id NOT IN (SELECT left_out.app_id FROM left_out)
        AND (input.event_id = '' OR input.id IN (SELECT named.message_id FROM named))
    ORDER BY input.app_id, input.key_hash, input.id
    ON CONFLICT (app_id, key_hash) DO UPDATE
    SET message_id = excluded.message_id,
        created_at = excluded.created_at
    WHERE old.created_at <= @keys_since::timestamptz
    RETURNING message_id
),
stored AS (
    INSERT INTO message (
        app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at, content_type, deliver_at,
        traceparent
    )
    SELECT
        input.app_id,
        input.id,
        nullif(input.event_id, ''),
        input.event_type,
        string_to_array(nullif(input.channels, ''), ','),
        string_to_array(nullif(input.tags, ''), ','),
        input.payload,
        input.expires_at,
        input.created_at,
        nullif(input.content_type, ''),
        nullif(input.due_at, input.created_at),
        nullif(input.traceparent, '')
    FROM input
    WHERE input.app_id NOT IN (SELECT left_out.app_id FROM left_out)
        AND (input.event_id = '' OR input.id IN (SELECT named.message_id FROM named))
        AND (input.key_hash = '' OR input.id IN (SELECT keyed.message_id FROM keyed))
    RETURNING app_id, id
),
unstored AS (
    SELECT input.app_id, input.id
    FROM input
    WHERE input.id NOT IN (SELECT stored.id FROM stored)
),
matched AS (
    SELECT
        wanted.app_id,
        wanted.message_id,
        wanted.endpoint_id,
        wanted.url,
        wanted.secret,
        wanted.headers,
        wanted.old_secrets,
        wanted.old_secrets_expire_at,
        wanted.fifo,
        wanted.paused_until,
        wanted.failing_since,
        wanted.deliver_at,
        wanted.deliver_at IS NULL
            AND NOT wanted.fifo
            AND wanted.throttle_rate IS NULL
            AND wanted.paused_until IS NULL
            AND wanted.app_id <> ALL (
                ARRAY(SELECT addressed.app_id FROM addressed WHERE addressed.throttle_rate IS NOT NULL)
            ) AS immediate,
        row_number() OVER (ORDER BY wanted.message_id, wanted.endpoint_id) <= @room::int AS fits,
        row_number() OVER (PARTITION BY wanted.endpoint_id ORDER BY wanted.message_id) <= @room_per_endpoint::int
            AND wanted.endpoint_id <> ALL (@full_endpoint_ids::text[])
            AND wanted.app_id <> ALL (@full_app_ids::text[]) AS fits_endpoint,
        row_number() OVER (PARTITION BY wanted.app_id ORDER BY wanted.message_id, wanted.endpoint_id)
            <= @fresh_per_app::int AS fits_fresh
    FROM wanted
    WHERE wanted.message_id NOT IN (SELECT unstored.id FROM unstored)
),
owed AS MATERIALIZED (
    -- Deliveries that need no claim to decide when they may be sent can start out leased or fresh. The first of them,
    -- as far as this process has room, start out leased to it. The others start out fresh, for any process to take,
    -- unless this process has no room left for their endpoint or application, or one application has many: fresh
    -- deliveries are taken in the order in which they were stored, so those of other applications would wait behind
    -- them.
    SELECT
        matched.app_id,
        matched.message_id,
        matched.endpoint_id,
        matched.url,
        matched.secret,
        matched.headers,
        matched.old_secrets,
        matched.old_secrets_expire_at,
        matched.fifo,
        matched.paused_until,
        matched.failing_since,
        matched.deliver_at,
        CASE
            WHEN NOT matched.immediate THEN 'waiting'
            WHEN matched.fits AND matched.fits_endpoint THEN 'leased'
            WHEN matched.fits_fresh AND (matched.fits_endpoint OR @room_per_endpoint::int = 0) THEN 'fresh'
            ELSE 'waiting'
        END AS state
    FROM matched
),
queued AS (
    -- Numbered in this order: Postgres sorts before it calls nextval, which returns NULL for NULL.
    INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, seq, state)
    SELECT
        owed.app_id,
        owed.message_id,
        owed.endpoint_id,
        CASE
            WHEN owed.state = 'leased' THEN @leased_until::timestamptz
            ELSE greatest(owed.deliver_at, @now::timestamptz)
        END,
        CASE WHEN owed.state = 'leased' THEN 1 ELSE 0 END,
        CASE WHEN owed.fifo THEN 2 ELSE 0 END, -- ordered, first
        nextval(CASE WHEN owed.fifo THEN 'delivery_seq'::regclass END),
        owed.state
    FROM owed
    ORDER BY owed.app_id, owed.endpoint_id, owed.message_id
),
due AS (
    -- Workers are notified after the commit, because NOTIFY holds a server-wide lock until its own commit.
    SELECT DISTINCT owed.state
    FROM owed
    WHERE owed.state <> 'leased'
        AND owed.deliver_at IS NULL
        AND coalesce(owed.paused_until, '-infinity') <= @now::timestamptz
)
-- No joins: each branch reads a set once. Postgres hashes the set of an IN, whatever its size.
SELECT
    owed.app_id::text AS app_id,
    owed.message_id::text AS message_id,
    owed.endpoint_id::text AS endpoint_id,
    owed.url::text AS url,
    owed.secret::bytea AS secret,
    owed.headers::jsonb AS headers,
    nullif(owed.old_secrets, '{}')::bytea[] AS old_secrets,
    nullif(owed.old_secrets_expire_at, '{}')::timestamptz[] AS old_secrets_expire_at,
    (owed.failing_since IS NOT NULL)::boolean AS failing,
    true::boolean AS stored,
    false::boolean AS crowded_out,
    false::boolean AS locked_out,
    0::bigint AS deliveries,
    ''::text AS due
FROM owed
WHERE owed.state = 'leased'
UNION ALL
SELECT stored.app_id, stored.id, '', '', '', '{}', NULL, NULL, false, true, false, false, 0, ''
FROM stored
WHERE stored.id NOT IN (SELECT owed.message_id FROM owed WHERE owed.state = 'leased')
UNION ALL
SELECT
    unstored.app_id, unstored.id, '', '', '', '{}', NULL, NULL, false, false,
    unstored.app_id IN (SELECT crowded.app_id FROM crowded), unstored.app_id IN (SELECT locked.app_id FROM locked), 0, ''
FROM unstored
UNION ALL
SELECT '', '', '', '', '', '{}', NULL, NULL, false, false, false, false, 0, due.state
FROM due
UNION ALL
SELECT owed.app_id, '', '', '', '', '{}', NULL, NULL, false, false, false, false, count(*), ''
FROM owed
GROUP BY owed.app_id
HAVING count(*) > @many::int
ORDER BY message_id, app_id, endpoint_id
LIMIT @max_rows::int;

-- name: MessageKeyGet :one
-- MessageKeyGet finds the message that was stored with an idempotency key. The lock writes to the log, so the commit
-- waits for a synchronous standby: the statement that stored the message may have been cancelled while it waited for
-- one, which leaves the message committed, but not replicated.
SELECT message_id
FROM message_key
WHERE app_id = @app_id
    AND key_hash = @key_hash
    AND created_at > @since
FOR KEY SHARE;
