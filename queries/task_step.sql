-- name: DeliveryCountDue :one
-- DeliveryCountDue counts the deliveries due to an endpoint, up to max_rows.
SELECT count(*)
FROM (
    SELECT 1
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND delivery.endpoint_id = @endpoint_id
        AND delivery.queue = ANY ('{0, 1, 2}') -- first, retry, ordered: so that the index is read by due time
        AND delivery.due_at <= @now::timestamptz
        AND delivery.state = 'waiting'
    LIMIT @max_rows::int
) AS due;

-- name: DeliveryRecoverMany :one
-- DeliveryRecoverMany makes one attempt due, as DeliveryResend does, for each of the next messages that failed
-- permanently at an endpoint: none of their attempts succeeded, none are to come, and there is a payload to send. It
-- returns where the next batch begins, or '' after the last one. It reads the index on failed attempts. No attempt is
-- older than @first_attempt_id, which excludes earlier partitions.
WITH RECURSIVE scanned AS (
    -- From message to message, with one index probe each: a row comparison, in index order, with LIMIT 1. With a
    -- condition on each column, or a larger LIMIT, the planner assumes few failures, reads all of them and sorts. No
    -- id has a character below '!'.
    (
        SELECT attempt.app_id, attempt.endpoint_id, attempt.message_id, 1 AS n
        FROM attempt
        WHERE (attempt.app_id, attempt.endpoint_id, attempt.message_id) >= (@app_id, @endpoint_id::text, @after::text || '!')
            AND attempt.status = 2
        ORDER BY attempt.app_id, attempt.endpoint_id, attempt.message_id
        LIMIT 1
    )
    UNION ALL
    SELECT following.app_id, following.endpoint_id, following.message_id, scanned.n + 1
    FROM scanned
    CROSS JOIN LATERAL (
        SELECT attempt.app_id, attempt.endpoint_id, attempt.message_id
        FROM attempt
        WHERE (attempt.app_id, attempt.endpoint_id, attempt.message_id)
                >= (scanned.app_id, scanned.endpoint_id, scanned.message_id || '!')
            AND attempt.status = 2
        ORDER BY attempt.app_id, attempt.endpoint_id, attempt.message_id
        LIMIT 1
    ) AS following
    WHERE scanned.n < @max_rows::int
        AND scanned.app_id = @app_id
        AND scanned.endpoint_id = @endpoint_id::text
        AND scanned.message_id < @before::text
),
mine AS (
    SELECT scanned.message_id
    FROM scanned
    WHERE scanned.app_id = @app_id
        AND scanned.endpoint_id = @endpoint_id::text
        AND scanned.message_id < @before::text
),
page AS MATERIALIZED (
    SELECT DISTINCT mine.message_id
    FROM mine
),
target AS MATERIALIZED (
    SELECT endpoint.app_id, endpoint.fifo
    FROM endpoint
    WHERE endpoint.app_id = @app_id
        AND endpoint.id = @endpoint_id
),
owed AS (
    -- LATERAL with LIMIT 1 makes each look-up one index probe. As joins they were two hundred times slower when the
    -- planner took a new partition for an empty one. Owed deliveries are compared as rows: otherwise all deliveries
    -- owed to the endpoint were read, or all of the message. Attempts are looked up without the application, because
    -- the indexes that include it would return all attempts at the endpoint. Numbers are given as in DeliveryInsert,
    -- in the order of the messages.
    INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, manual, queue, seq)
    SELECT
        sendable.app_id, page.message_id, @endpoint_id, @now::timestamptz, 0, true,
        CASE WHEN target.fifo THEN 2 ELSE 0 END, -- ordered, first
        nextval(CASE
            WHEN target.fifo
                AND pg_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), target.app_id), 0))::text = ''
            THEN 'delivery_seq'::regclass
        END)
    FROM page
    CROSS JOIN target
    CROSS JOIN LATERAL (
        SELECT message.app_id
        FROM message
        WHERE message.app_id = @app_id
            AND message.id = page.message_id
            AND message.payload IS NOT NULL
            AND message.expires_at > @now::timestamptz
        LIMIT 1
    ) AS sendable
    LEFT JOIN LATERAL (
        SELECT true AS found
        FROM attempt
        WHERE attempt.endpoint_id = @endpoint_id
            AND attempt.message_id = page.message_id
            AND attempt.id >= @first_attempt_id::text
            AND attempt.status = 0
        LIMIT 1
    ) AS success ON true
    LEFT JOIN LATERAL (
        SELECT next.endpoint_id = @endpoint_id::text AS found
        FROM (
            SELECT delivery.endpoint_id
            FROM delivery
            WHERE delivery.app_id = @app_id
                AND delivery.message_id = page.message_id
                AND (delivery.message_id, delivery.endpoint_id) >= (page.message_id, @endpoint_id::text)
            ORDER BY delivery.app_id, delivery.message_id, delivery.endpoint_id
            LIMIT 1
        ) AS next
    ) AS pending ON true
    WHERE success.found IS NULL
        AND pending.found IS NOT TRUE
    ORDER BY page.message_id
    ON CONFLICT (app_id, message_id, endpoint_id) DO NOTHING
    RETURNING message_id
)
SELECT
    coalesce((SELECT max(mine.message_id) FROM mine HAVING count(*) = @max_rows::int), '')::text AS next_after,
    (SELECT count(*) FROM page)::bigint AS processed,
    (SELECT count(*) FROM owed)::bigint AS done,
    -- The payload is a column: an expression without columns may be evaluated on another node, and without a row.
    coalesce((
        SELECT pg_notify(format('%s_delivery', current_schema()), due.payload)::text
        FROM (SELECT '' AS payload FROM owed LIMIT 1) AS due
    ), '')::text AS announced;

-- name: DeliveryReplayMissingMany :one
-- DeliveryReplayMissingMany creates deliveries of the next messages that an endpoint would receive today, and that
-- were never attempted at it and are not owed to it. It returns where the next batch begins, or '' after the last
-- one. The condition is that of the fan-out in MessageInsertMany.
WITH page AS MATERIALIZED (
    -- As in DeliveryReplayMany.
    SELECT
        scanned.app_id, scanned.id, scanned.event_type, scanned.channels, scanned.deliver_at, scanned.sendable
    FROM (
        SELECT
            message.app_id, message.id, message.event_type, message.channels, message.deliver_at,
            message.payload IS NOT NULL AND message.expires_at > @now::timestamptz AS sendable
        FROM message
        WHERE (message.app_id, message.id) >= (@app_id, @after::text || '!')
        ORDER BY message.app_id, message.id
        LIMIT @max_rows::int
    ) AS scanned
    WHERE scanned.app_id = @app_id
        AND scanned.id < @before::text
),
owed AS (
    -- LATERAL: as in DeliveryRecoverMany.
    INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, seq)
    SELECT
        page.app_id, page.id, endpoint.id, greatest(page.deliver_at, @now::timestamptz), 0,
        CASE WHEN endpoint.fifo THEN 2 ELSE 0 END, -- ordered, first
        nextval(CASE
            WHEN endpoint.fifo
                AND pg_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), endpoint.app_id), 0))::text = ''
            THEN 'delivery_seq'::regclass
        END)
    FROM page
    JOIN endpoint ON endpoint.app_id = @app_id
        AND endpoint.id = @endpoint_id
        AND endpoint.deleted_at IS NULL
        AND NOT endpoint.disabled
        AND (endpoint.event_types IS NULL OR page.event_type = ANY (endpoint.event_types))
        AND (endpoint.channels IS NULL OR endpoint.channels && page.channels)
    LEFT JOIN LATERAL (
        SELECT true AS found
        FROM attempt
        WHERE attempt.endpoint_id = @endpoint_id
            AND attempt.message_id = page.id
            AND attempt.id >= @first_attempt_id::text
        LIMIT 1
    ) AS attempted ON true
    LEFT JOIN LATERAL (
        SELECT next.endpoint_id = @endpoint_id::text AS found
        FROM (
            SELECT delivery.endpoint_id
            FROM delivery
            WHERE delivery.app_id = @app_id
                AND delivery.message_id = page.id
                AND (delivery.message_id, delivery.endpoint_id) >= (page.id, @endpoint_id::text)
            ORDER BY delivery.app_id, delivery.message_id, delivery.endpoint_id
            LIMIT 1
        ) AS next
    ) AS pending ON true
    WHERE page.sendable
        AND attempted.found IS NULL
        AND pending.found IS NOT TRUE
    ORDER BY page.id
    ON CONFLICT (app_id, message_id, endpoint_id) DO NOTHING
    RETURNING message_id
)
SELECT
    coalesce((SELECT max(page.id) FROM page HAVING count(*) = @max_rows::int), '')::text AS next_after,
    (SELECT count(*) FROM page)::bigint AS processed,
    (SELECT count(*) FROM owed)::bigint AS done,
    -- The payload is a column: an expression without columns may be evaluated on another node, and without a row.
    coalesce((
        SELECT pg_notify(format('%s_delivery', current_schema()), due.payload)::text
        FROM (SELECT '' AS payload FROM owed LIMIT 1) AS due
    ), '')::text AS announced;

-- name: DeliveryReplayMany :one
-- DeliveryReplayMany makes one attempt due, as DeliveryResend does, for each of the next messages that were attempted
-- at an endpoint and match: by the response to the latest attempt, by the message's state there, and by the message
-- itself. It returns where the next batch begins, or '' after the last one. A batch covers the messages of the next
-- attempts, of which a message may have several.
WITH scanned AS MATERIALIZED (
    -- A row comparison, in index order, and no other condition: with one on each column, the planner assumes few
    -- attempts, reads all of them and sorts. So the last batch may contain rows of others, up to its limit. No id has
    -- a character below '!'.
    SELECT attempt.app_id, attempt.endpoint_id, attempt.message_id
    FROM attempt
    WHERE (attempt.endpoint_id, attempt.message_id) >= (@endpoint_id, @after::text || '!')
    ORDER BY attempt.endpoint_id, attempt.message_id
    LIMIT @max_rows::int
),
mine AS (
    SELECT scanned.message_id
    FROM scanned
    WHERE scanned.app_id = @app_id::text
        AND scanned.endpoint_id = @endpoint_id
        AND scanned.message_id < @before::text
),
page AS MATERIALIZED (
    SELECT DISTINCT mine.message_id
    FROM mine
),
target AS MATERIALIZED (
    SELECT endpoint.app_id, endpoint.fifo
    FROM endpoint
    WHERE endpoint.app_id = @app_id
        AND endpoint.id = @endpoint_id
),
owed AS (
    -- LATERAL: as in DeliveryRecoverMany.
    INSERT INTO delivery AS owed (app_id, message_id, endpoint_id, due_at, lease, manual, queue, seq)
    SELECT
        matching.app_id, page.message_id, @endpoint_id, @now::timestamptz, 0, true,
        CASE WHEN target.fifo THEN 2 ELSE 0 END, -- ordered, first
        nextval(CASE
            WHEN target.fifo
                AND pg_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), target.app_id), 0))::text = ''
            THEN 'delivery_seq'::regclass
        END)
    FROM page
    CROSS JOIN target
    CROSS JOIN LATERAL (
        SELECT message.app_id
        FROM message
        WHERE message.app_id = @app_id
            AND message.id = page.message_id
            AND message.payload IS NOT NULL
            AND message.expires_at > @now::timestamptz
            AND (@channel::text = '' OR @channel::text = ANY (message.channels))
            AND (@tag::text = '' OR @tag::text = ANY (message.tags))
            AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
        LIMIT 1
    ) AS matching
    LEFT JOIN LATERAL (
        SELECT true AS found
        FROM attempt
        WHERE attempt.endpoint_id = @endpoint_id
            AND attempt.message_id = page.message_id
            AND attempt.id >= @first_attempt_id::text
            AND attempt.status = 0
        LIMIT 1
    ) AS success ON true
    LEFT JOIN LATERAL (
        SELECT next.endpoint_id = @endpoint_id::text AS found
        FROM (
            SELECT delivery.endpoint_id
            FROM delivery
            WHERE delivery.app_id = @app_id
                AND delivery.message_id = page.message_id
                AND (delivery.message_id, delivery.endpoint_id) >= (page.message_id, @endpoint_id::text)
            ORDER BY delivery.app_id, delivery.message_id, delivery.endpoint_id
            LIMIT 1
        ) AS next
    ) AS pending ON true
    LEFT JOIN LATERAL (
        SELECT attempt.response_status_code
        FROM attempt
        WHERE attempt.endpoint_id = @endpoint_id
            AND attempt.message_id = page.message_id
            AND attempt.id >= @first_attempt_id::text
        ORDER BY attempt.id DESC
        LIMIT 1
    ) AS latest ON true
    WHERE (@code_to::smallint = 0 OR latest.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
        AND CASE WHEN success.found THEN 0 WHEN pending.found THEN 3 ELSE 2 END = ANY (@statuses::smallint[])
    ORDER BY page.message_id
    ON CONFLICT (app_id, message_id, endpoint_id) DO UPDATE
    SET due_at = excluded.due_at,
        lease = owed.lease + 1,
        state = 'waiting',
        manual = true,
        queue = CASE WHEN owed.queue = 2 THEN 2 ELSE 0 END, -- ordered, first
        resume_at = CASE WHEN owed.manual THEN owed.resume_at ELSE greatest(owed.due_at, excluded.due_at) END
    RETURNING owed.message_id
)
SELECT
    coalesce((SELECT max(mine.message_id) FROM mine HAVING count(*) = @max_rows::int), '')::text AS next_after,
    (SELECT count(*) FROM page)::bigint AS processed,
    (SELECT count(*) FROM owed)::bigint AS done,
    -- The payload is a column: an expression without columns may be evaluated on another node, and without a row.
    coalesce((
        SELECT pg_notify(format('%s_delivery', current_schema()), due.payload)::text
        FROM (SELECT '' AS payload FROM owed LIMIT 1) AS due
    ), '')::text AS announced;

-- name: MessagePurgeMany :one
-- MessagePurgeMany removes the payloads of the next messages. It returns where the next batch begins, or '' after the
-- last one.
WITH page AS MATERIALIZED (
    -- As in DeliveryReplayMany.
    SELECT scanned.id
    FROM (
        SELECT message.app_id, message.id
        FROM message
        WHERE (message.app_id, message.id) >= (@app_id, @after::text || '!')
        ORDER BY message.app_id, message.id
        LIMIT @max_rows::int
    ) AS scanned
    WHERE scanned.app_id = @app_id
        AND scanned.id < @before::text
),
purged AS (
    UPDATE message
    SET payload = NULL
    WHERE message.app_id = @app_id
        AND message.id > @after::text
        AND message.id < @before::text
        AND message.id <= (SELECT max(page.id) FROM page)
        AND message.payload IS NOT NULL
    RETURNING message.id
)
SELECT
    coalesce((SELECT max(page.id) FROM page HAVING count(*) = @max_rows::int), '')::text AS next_after,
    (SELECT count(*) FROM page)::bigint AS processed,
    (SELECT count(*) FROM purged)::bigint AS done;

-- name: DestinationCountMany :one
-- DestinationCountMany counts the endpoints that each of the next messages was attempted at, each endpoint once. It
-- returns where the next batch begins, or '' after the last one.
WITH page AS MATERIALIZED (
    -- As in DeliveryReplayMany.
    SELECT scanned.id
    FROM (
        SELECT message.app_id, message.id
        FROM message
        WHERE (message.app_id, message.id) >= (@app_id, @after::text || '!')
        ORDER BY message.app_id, message.id
        LIMIT @max_rows::int
    ) AS scanned
    WHERE scanned.app_id = @app_id
        AND scanned.id < @before::text
),
destination AS (
    -- LATERAL: as in DeliveryRecoverMany.
    SELECT attempted.endpoints
    FROM page
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT attempt.endpoint_id) AS endpoints
        FROM attempt
        WHERE attempt.app_id = @app_id
            AND attempt.message_id = page.id
            AND attempt.id >= @first_attempt_id::text
    ) AS attempted
)
SELECT
    coalesce((SELECT max(page.id) FROM page HAVING count(*) = @max_rows::int), '')::text AS next_after,
    (SELECT count(*) FROM page)::bigint AS processed,
    coalesce((SELECT sum(destination.endpoints) FROM destination), 0)::bigint AS done;

-- name: ApplicationEventTypesMany :many
-- ApplicationEventTypesMany returns which event types the endpoints of each application subscribe to by name, and
-- whether an endpoint subscribes to all.
SELECT
    wanted.app_id::text AS app_id,
    array(
        SELECT DISTINCT named.event_type
        FROM endpoint
        CROSS JOIN unnest(endpoint.event_types) AS named(event_type)
        WHERE endpoint.app_id = wanted.app_id
            AND endpoint.deleted_at IS NULL
        ORDER BY named.event_type
    )::text[] AS event_types,
    coalesce((
        SELECT bool_or(endpoint.event_types IS NULL)
        FROM endpoint
        WHERE endpoint.app_id = wanted.app_id
            AND endpoint.deleted_at IS NULL
    ), false)::boolean AS catch_all
FROM unnest(@app_ids::text[]) AS wanted(app_id)
ORDER BY wanted.app_id
LIMIT cardinality(@app_ids::text[]);
