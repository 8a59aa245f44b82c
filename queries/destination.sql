-- name: AttemptedMessageListDescending :many
-- AttemptedMessageListDescending lists the messages that were attempted at an endpoint, newest first, with the status
-- of the latest attempt, or only those with a successful attempt. It skips partitions before @first_attempt_id,
-- because no attempt is older than its message. It looks at up to max_looked attempts, as MessageListDescending does.
SELECT
    page.message_id,
    coalesce(latest.status, 0)::smallint AS status,
    page.matches::boolean AS matches,
    CASE WHEN page.n = @max_looked::int THEN page.message_id ELSE '' END::text AS ended
FROM (
    SELECT
        kept.message_id,
        kept.n,
        (
            kept.previous IS DISTINCT FROM kept.message_id
            AND (
                NOT @succeeded::boolean
                OR kept.status = 0
                -- The last row that is looked at: more attempts of the same message may follow.
                OR (
                    SELECT true
                    FROM attempt
                    WHERE attempt.endpoint_id = @endpoint_id
                        AND attempt.message_id = kept.message_id
                        AND attempt.id >= @first_attempt_id::text
                        AND attempt.status = 0
                    LIMIT 1
                )
            )
            AND (
                (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
                OR (
                    SELECT true
                    FROM message
                    WHERE message.app_id = @app_id
                        AND message.id = kept.message_id
                        AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                        AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                        AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                    LIMIT 1
                )
            )
        ) IS TRUE AS matches
    FROM (
        SELECT
            numbered.message_id,
            numbered.status,
            numbered.n,
            lag(numbered.message_id) OVER (ORDER BY numbered.message_id DESC) AS previous
        FROM (
            SELECT
                looked.message_id,
                looked.status,
                row_number() OVER (ORDER BY looked.message_id DESC) AS n
            FROM (
                -- Not by application as well: the index that includes it would return attempts at all endpoints.
                SELECT attempt.message_id, attempt.status
                FROM attempt
                WHERE attempt.endpoint_id = @endpoint_id
                    AND attempt.message_id > @after::text
                    AND attempt.message_id < @before::text
                    AND attempt.id >= @first_attempt_id::text
                ORDER BY attempt.message_id DESC
                LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
            ) AS looked
        ) AS numbered
        WHERE NOT @succeeded::boolean
            OR numbered.status = 0
            OR numbered.n = @max_looked::int
    ) AS kept
) AS page
LEFT JOIN LATERAL (
    SELECT attempt.status
    FROM attempt
    WHERE NOT @succeeded::boolean
        AND attempt.endpoint_id = @endpoint_id
        AND attempt.message_id = page.message_id
        AND attempt.id >= @first_attempt_id::text
    ORDER BY attempt.id DESC
    LIMIT 1
) AS latest ON page.matches
WHERE page.matches
    OR page.n = @max_looked::int
ORDER BY page.message_id DESC
LIMIT @max_rows::int;

-- name: AttemptedMessageListAscending :many
-- AttemptedMessageListAscending lists the messages that were attempted at an endpoint, oldest first, as
-- AttemptedMessageListDescending does.
SELECT
    page.message_id,
    coalesce(latest.status, 0)::smallint AS status,
    page.matches::boolean AS matches,
    CASE WHEN page.n = @max_looked::int THEN page.message_id ELSE '' END::text AS ended
FROM (
    SELECT
        kept.message_id,
        kept.n,
        (
            kept.previous IS DISTINCT FROM kept.message_id
            AND (
                NOT @succeeded::boolean
                OR kept.status = 0
                -- The last row that is looked at: more attempts of the same message may follow.
                OR (
                    SELECT true
                    FROM attempt
                    WHERE attempt.endpoint_id = @endpoint_id
                        AND attempt.message_id = kept.message_id
                        AND attempt.id >= @first_attempt_id::text
                        AND attempt.status = 0
                    LIMIT 1
                )
            )
            AND (
                (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
                OR (
                    SELECT true
                    FROM message
                    WHERE message.app_id = @app_id
                        AND message.id = kept.message_id
                        AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                        AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                        AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                    LIMIT 1
                )
            )
        ) IS TRUE AS matches
    FROM (
        SELECT
            numbered.message_id,
            numbered.status,
            numbered.n,
            lag(numbered.message_id) OVER (ORDER BY numbered.message_id) AS previous
        FROM (
            SELECT
                looked.message_id,
                looked.status,
                row_number() OVER (ORDER BY looked.message_id) AS n
            FROM (
                -- Not by application as well: the index that includes it would return attempts at all endpoints.
                SELECT attempt.message_id, attempt.status
                FROM attempt
                WHERE attempt.endpoint_id = @endpoint_id
                    AND attempt.message_id > @after::text
                    AND attempt.message_id < @before::text
                    AND attempt.id >= @first_attempt_id::text
                ORDER BY attempt.message_id
                LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
            ) AS looked
        ) AS numbered
        WHERE NOT @succeeded::boolean
            OR numbered.status = 0
            OR numbered.n = @max_looked::int
    ) AS kept
) AS page
LEFT JOIN LATERAL (
    SELECT attempt.status
    FROM attempt
    WHERE NOT @succeeded::boolean
        AND attempt.endpoint_id = @endpoint_id
        AND attempt.message_id = page.message_id
        AND attempt.id >= @first_attempt_id::text
    ORDER BY attempt.id DESC
    LIMIT 1
) AS latest ON page.matches
WHERE page.matches
    OR page.n = @max_looked::int
ORDER BY page.message_id
LIMIT @max_rows::int;

-- name: AttemptedMessageListFailedDescending :many
-- AttemptedMessageListFailedDescending is like AttemptedMessageListDescending, for messages that failed and never
-- succeeded: either those that will be retried, or those that were given up.
SELECT
    page.message_id,
    2::smallint AS status,
    page.matches::boolean AS matches,
    CASE WHEN page.n = @max_looked::int THEN page.message_id ELSE '' END::text AS ended
FROM (
    SELECT
        numbered.message_id,
        numbered.n,
        -- Not EXISTS: for the few rows of a page, Postgres might hash all owed deliveries, all successful attempts or
        -- all messages.
        (
            numbered.previous IS DISTINCT FROM numbered.message_id
            AND (
                -- The first row from there on, by a row comparison, because only the primary key has that order.
                coalesce((
                    SELECT delivery.endpoint_id
                    FROM delivery
                    WHERE delivery.app_id = @app_id
                        AND (delivery.message_id, delivery.endpoint_id) >= (numbered.message_id, @endpoint_id::text)
                        AND delivery.message_id <= numbered.message_id
                    ORDER BY delivery.message_id, delivery.endpoint_id
                    LIMIT 1
                ), '') = @endpoint_id::text
            ) = @sending::boolean
            AND (
                SELECT true
                FROM attempt
                WHERE attempt.endpoint_id = @endpoint_id
                    AND attempt.message_id = numbered.message_id
                    AND attempt.id >= @first_attempt_id::text
                    AND attempt.status = 0
                LIMIT 1
            ) IS NULL
            AND (
                (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
                OR (
                    SELECT true
                    FROM message
                    WHERE message.app_id = @app_id
                        AND message.id = numbered.message_id
                        AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                        AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                        AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                    LIMIT 1
                )
            )
        ) IS TRUE AS matches
    FROM (
        SELECT
            looked.message_id,
            row_number() OVER looking AS n,
            lag(looked.message_id) OVER looking AS previous
        FROM (
            -- In the order of the index on failed attempts, down to the id: the index on all attempts does not
            -- include the id.
            SELECT attempt.message_id, attempt.id
            FROM attempt
            WHERE attempt.app_id = @app_id
                AND attempt.endpoint_id = @endpoint_id
                AND attempt.status = 2
                AND attempt.message_id > @after::text
                AND attempt.message_id < @before::text
                AND attempt.id >= @first_attempt_id::text
            ORDER BY attempt.message_id DESC, attempt.id DESC
            LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
        ) AS looked
        WINDOW looking AS (ORDER BY looked.message_id DESC)
    ) AS numbered
) AS page
WHERE page.matches
    OR page.n = @max_looked::int
ORDER BY page.message_id DESC
LIMIT @max_rows::int;

-- name: AttemptedMessageListFailedAscending :many
-- AttemptedMessageListFailedAscending is like AttemptedMessageListAscending, for messages that failed and never
-- succeeded: either those that will be retried, or those that were given up.
SELECT
    page.message_id,
    2::smallint AS status,
    page.matches::boolean AS matches,
    CASE WHEN page.n = @max_looked::int THEN page.message_id ELSE '' END::text AS ended
FROM (
    SELECT
        numbered.message_id,
        numbered.n,
        -- Not EXISTS: for the few rows of a page, Postgres might hash all owed deliveries, all successful attempts or
        -- all messages.
        (
            numbered.previous IS DISTINCT FROM numbered.message_id
            AND (
                -- The first row from there on, by a row comparison, because only the primary key has that order.
                coalesce((
                    SELECT delivery.endpoint_id
                    FROM delivery
                    WHERE delivery.app_id = @app_id
                        AND (delivery.message_id, delivery.endpoint_id) >= (numbered.message_id, @endpoint_id::text)
                        AND delivery.message_id <= numbered.message_id
                    ORDER BY delivery.message_id, delivery.endpoint_id
                    LIMIT 1
                ), '') = @endpoint_id::text
            ) = @sending::boolean
            AND (
                SELECT true
                FROM attempt
                WHERE attempt.endpoint_id = @endpoint_id
                    AND attempt.message_id = numbered.message_id
                    AND attempt.id >= @first_attempt_id::text
                    AND attempt.status = 0
                LIMIT 1
            ) IS NULL
            AND (
                (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
                OR (
                    SELECT true
                    FROM message
                    WHERE message.app_id = @app_id
                        AND message.id = numbered.message_id
                        AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                        AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                        AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                    LIMIT 1
                )
            )
        ) IS TRUE AS matches
    FROM (
        SELECT
            looked.message_id,
            row_number() OVER looking AS n,
            lag(looked.message_id) OVER looking AS previous
        FROM (
            -- In the order of the index on failed attempts, down to the id: the index on all attempts does not
            -- include the id.
            SELECT attempt.message_id, attempt.id
            FROM attempt
            WHERE attempt.app_id = @app_id
                AND attempt.endpoint_id = @endpoint_id
                AND attempt.status = 2
                AND attempt.message_id > @after::text
                AND attempt.message_id < @before::text
                AND attempt.id >= @first_attempt_id::text
            ORDER BY attempt.message_id, attempt.id
            LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
        ) AS looked
        WINDOW looking AS (ORDER BY looked.message_id)
    ) AS numbered
) AS page
WHERE page.matches
    OR page.n = @max_looked::int
ORDER BY page.message_id
LIMIT @max_rows::int;

-- name: DestinationListAscending :many
-- DestinationListAscending lists the endpoints that a message was attempted at or is owed to, including deleted ones,
-- by id, with the status of the latest attempt. No index has this order, so each page reads the message's latest
-- attempts, up to max_looked.
WITH attempted AS MATERIALIZED (
    SELECT attempt.endpoint_id, attempt.id, attempt.status
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.message_id = @message_id
        AND attempt.id >= @first_attempt_id::text
    ORDER BY attempt.id DESC
    LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
),
latest AS MATERIALIZED (
    SELECT DISTINCT ON (attempted.endpoint_id) attempted.endpoint_id, attempted.status
    FROM attempted
    WHERE attempted.endpoint_id > @after::text
        AND attempted.endpoint_id < @before::text
    ORDER BY attempted.endpoint_id, attempted.id DESC
),
owed AS MATERIALIZED (
    -- A row comparison, because only the primary key has that order.
    SELECT delivery.endpoint_id
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND (delivery.message_id, delivery.endpoint_id) > (@message_id::text, @after::text)
        AND delivery.message_id <= @message_id::text -- the upper bound, which the row comparison lacks
    ORDER BY delivery.message_id, delivery.endpoint_id
    LIMIT @max_rows::int
)
SELECT
    endpoint.app_id, endpoint.id, endpoint.uid, endpoint.url, endpoint.description, endpoint.version,
    endpoint.throttle_rate, endpoint.disabled, endpoint.event_types, endpoint.channels, endpoint.metadata,
    endpoint.created_at, endpoint.updated_at,
    coalesce(destination.status, 1)::smallint AS status,
    (due.due_at IS NOT NULL)::boolean AS owed,
    coalesce(due.due_at, 'epoch')::timestamptz AS due_at,
    -- As in DeliveryDueMany.
    coalesce(due.state = 'leased', false)::boolean AS leased
FROM (
    SELECT each.endpoint_id, max(each.status) AS status
    FROM (
        SELECT latest.endpoint_id, latest.status
        FROM latest
        UNION ALL
        SELECT owed.endpoint_id, NULL
        FROM owed
        WHERE owed.endpoint_id > @after::text
            AND owed.endpoint_id < @before::text
    ) AS each
    GROUP BY each.endpoint_id
    ORDER BY each.endpoint_id
    LIMIT @max_rows::int
) AS destination
CROSS JOIN LATERAL (
    SELECT known.*
    FROM endpoint AS known
    WHERE known.app_id = @app_id
        AND known.id = destination.endpoint_id
    LIMIT 1
) AS endpoint
LEFT JOIN LATERAL (
    SELECT delivery.endpoint_id, delivery.due_at, delivery.state
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND (delivery.message_id, delivery.endpoint_id) >= (@message_id::text, destination.endpoint_id)
        AND delivery.message_id <= @message_id::text
    ORDER BY delivery.message_id, delivery.endpoint_id
    LIMIT 1
) AS due ON due.endpoint_id = destination.endpoint_id
ORDER BY endpoint.id
LIMIT @max_rows::int;

-- name: DestinationListDescending :many
-- DestinationListDescending lists the endpoints that a message was attempted at or is owed to, including deleted
-- ones, by id in descending order, as DestinationListAscending does.
WITH attempted AS MATERIALIZED (
    SELECT attempt.endpoint_id, attempt.id, attempt.status
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.message_id = @message_id
        AND attempt.id >= @first_attempt_id::text
    ORDER BY attempt.id DESC
    LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
),
latest AS MATERIALIZED (
    SELECT DISTINCT ON (attempted.endpoint_id) attempted.endpoint_id, attempted.status
    FROM attempted
    WHERE attempted.endpoint_id > @after::text
        AND attempted.endpoint_id < @before::text
    ORDER BY attempted.endpoint_id, attempted.id DESC
),
owed AS MATERIALIZED (
    -- A row comparison, because only the primary key has that order.
    SELECT delivery.endpoint_id
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND (delivery.message_id, delivery.endpoint_id) < (@message_id::text, @before::text)
        AND delivery.message_id >= @message_id::text -- the upper bound, which the row comparison lacks
    ORDER BY delivery.message_id DESC, delivery.endpoint_id DESC
    LIMIT @max_rows::int
)
SELECT
    endpoint.app_id, endpoint.id, endpoint.uid, endpoint.url, endpoint.description, endpoint.version,
    endpoint.throttle_rate, endpoint.disabled, endpoint.event_types, endpoint.channels, endpoint.metadata,
    endpoint.created_at, endpoint.updated_at,
    coalesce(destination.status, 1)::smallint AS status,
    (due.due_at IS NOT NULL)::boolean AS owed,
    coalesce(due.due_at, 'epoch')::timestamptz AS due_at,
    -- As in DeliveryDueMany.
    coalesce(due.state = 'leased', false)::boolean AS leased
FROM (
    SELECT each.endpoint_id, max(each.status) AS status
    FROM (
        SELECT latest.endpoint_id, latest.status
        FROM latest
        UNION ALL
        SELECT owed.endpoint_id, NULL
        FROM owed
        WHERE owed.endpoint_id > @after::text
            AND owed.endpoint_id < @before::text
    ) AS each
    GROUP BY each.endpoint_id
    ORDER BY each.endpoint_id DESC
    LIMIT @max_rows::int
) AS destination
CROSS JOIN LATERAL (
    SELECT known.*
    FROM endpoint AS known
    WHERE known.app_id = @app_id
        AND known.id = destination.endpoint_id
    LIMIT 1
) AS endpoint
LEFT JOIN LATERAL (
    SELECT delivery.endpoint_id, delivery.due_at, delivery.state
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND (delivery.message_id, delivery.endpoint_id) >= (@message_id::text, destination.endpoint_id)
        AND delivery.message_id <= @message_id::text
    ORDER BY delivery.message_id, delivery.endpoint_id
    LIMIT 1
) AS due ON due.endpoint_id = destination.endpoint_id
ORDER BY endpoint.id DESC
LIMIT @max_rows::int;

-- name: DeliveryDueMany :many
-- DeliveryDueMany returns when messages that are owed to an endpoint are due, and whether that is the end of a lease.
SELECT
    owed.message_id,
    owed.due_at,
    (owed.state = 'leased')::boolean AS leased
FROM unnest(@message_ids::text[]) AS wanted(message_id)
CROSS JOIN LATERAL (
    -- LIMIT makes one look-up per message, where a join might read all deliveries owed to the endpoint.
    SELECT delivery.message_id, delivery.due_at, delivery.state
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND delivery.message_id = wanted.message_id
        AND delivery.endpoint_id = @endpoint_id::text
    LIMIT 1
) AS owed
ORDER BY owed.message_id
LIMIT cardinality(@message_ids::text[]);
