-- name: AttemptedMessageListDescending :many
-- AttemptedMessageListDescending lists the messages that were attempted at an endpoint, newest first,
-- with the status of the latest attempt, or only those of which one succeeded. No attempt is older than
-- its message: @first_attempt_id spares the partitions before.
SELECT attempted.message_id, latest.status
FROM (
    SELECT DISTINCT attempt.message_id
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.endpoint_id = @endpoint_id
        AND attempt.id >= @first_attempt_id::text
        AND attempt.message_id > @after::text
        AND attempt.message_id < @before::text
        AND (NOT @succeeded::boolean OR attempt.status = 0)
        AND (
            (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
            OR (
                SELECT true
                FROM message
                WHERE message.app_id = attempt.app_id
                    AND message.id = attempt.message_id
                    AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                    AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                    AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                LIMIT 1
            )
        )
    ORDER BY attempt.message_id DESC
    LIMIT @max_rows::int
) AS attempted
CROSS JOIN LATERAL (
    -- Not by the application as well: the index that has it would give attempts at all endpoints.
    SELECT attempt.status
    FROM attempt
    WHERE attempt.endpoint_id = @endpoint_id
        AND attempt.message_id = attempted.message_id
        AND attempt.id >= @first_attempt_id::text
        AND (NOT @succeeded::boolean OR attempt.status = 0)
    ORDER BY attempt.id DESC
    LIMIT 1
) AS latest
ORDER BY attempted.message_id DESC
LIMIT @max_rows::int;

-- name: AttemptedMessageListAscending :many
-- AttemptedMessageListAscending lists the messages that were attempted at an endpoint, oldest first,
-- with the status of the latest attempt, or only those of which one succeeded. No attempt is older than
-- its message: @first_attempt_id spares the partitions before.
SELECT attempted.message_id, latest.status
FROM (
    SELECT DISTINCT attempt.message_id
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.endpoint_id = @endpoint_id
        AND attempt.id >= @first_attempt_id::text
        AND attempt.message_id > @after::text
        AND attempt.message_id < @before::text
        AND (NOT @succeeded::boolean OR attempt.status = 0)
        AND (
            (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
            OR (
                SELECT true
                FROM message
                WHERE message.app_id = attempt.app_id
                    AND message.id = attempt.message_id
                    AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                    AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                    AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                LIMIT 1
            )
        )
    ORDER BY attempt.message_id
    LIMIT @max_rows::int
) AS attempted
CROSS JOIN LATERAL (
    -- Not by the application as well: the index that has it would give attempts at all endpoints.
    SELECT attempt.status
    FROM attempt
    WHERE attempt.endpoint_id = @endpoint_id
        AND attempt.message_id = attempted.message_id
        AND attempt.id >= @first_attempt_id::text
        AND (NOT @succeeded::boolean OR attempt.status = 0)
    ORDER BY attempt.id DESC
    LIMIT 1
) AS latest
ORDER BY attempted.message_id
LIMIT @max_rows::int;

-- name: AttemptedMessageListFailedDescending :many
-- AttemptedMessageListFailedDescending is AttemptedMessageListDescending of those that failed and never
-- succeeded: the ones that will be tried again, or the ones that were given up.
SELECT DISTINCT attempt.message_id, attempt.status
FROM attempt
WHERE attempt.app_id = @app_id
    AND attempt.endpoint_id = @endpoint_id
    AND attempt.status = 2
    AND attempt.id >= @first_attempt_id::text
    AND attempt.message_id > @after::text
    AND attempt.message_id < @before::text
    -- Not EXISTS: Postgres might make a hash of all that is owed, of all that succeeded or of all messages, for
    -- the few rows of a page.
    AND (
        (
            SELECT delivery.message_id
            FROM delivery
            WHERE delivery.app_id = attempt.app_id
                AND delivery.message_id = attempt.message_id
                AND delivery.endpoint_id = attempt.endpoint_id
        ) IS NOT NULL
    ) = @sending::boolean
    AND (
        SELECT true
        FROM attempt AS success
        WHERE success.app_id = attempt.app_id
            AND success.endpoint_id = attempt.endpoint_id
            AND success.message_id = attempt.message_id
            AND success.id >= @first_attempt_id::text
            AND success.status = 0
        LIMIT 1
    ) IS NULL
    AND (
        (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
        OR (
            SELECT true
            FROM message
            WHERE message.app_id = attempt.app_id
                AND message.id = attempt.message_id
                AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
            LIMIT 1
        )
    )
ORDER BY attempt.message_id DESC
LIMIT @max_rows::int;

-- name: AttemptedMessageListFailedAscending :many
-- AttemptedMessageListFailedAscending is AttemptedMessageListAscending of those that failed and never
-- succeeded: the ones that will be tried again, or the ones that were given up.
SELECT DISTINCT attempt.message_id, attempt.status
FROM attempt
WHERE attempt.app_id = @app_id
    AND attempt.endpoint_id = @endpoint_id
    AND attempt.status = 2
    AND attempt.id >= @first_attempt_id::text
    AND attempt.message_id > @after::text
    AND attempt.message_id < @before::text
    -- Not EXISTS: Postgres might make a hash of all that is owed, of all that succeeded or of all messages, for
    -- the few rows of a page.
    AND (
        (
            SELECT delivery.message_id
            FROM delivery
            WHERE delivery.app_id = attempt.app_id
                AND delivery.message_id = attempt.message_id
                AND delivery.endpoint_id = attempt.endpoint_id
        ) IS NOT NULL
    ) = @sending::boolean
    AND (
        SELECT true
        FROM attempt AS success
        WHERE success.app_id = attempt.app_id
            AND success.endpoint_id = attempt.endpoint_id
            AND success.message_id = attempt.message_id
            AND success.id >= @first_attempt_id::text
            AND success.status = 0
        LIMIT 1
    ) IS NULL
    AND (
        (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
        OR (
            SELECT true
            FROM message
            WHERE message.app_id = attempt.app_id
                AND message.id = attempt.message_id
                AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
            LIMIT 1
        )
    )
ORDER BY attempt.message_id
LIMIT @max_rows::int;

-- name: DestinationListAscending :many
-- DestinationListAscending lists the endpoints that a message was attempted at or is owed to, deleted
-- ones too, by their ids, with the status of the latest attempt.
SELECT
    endpoint.app_id, endpoint.id, endpoint.uid, endpoint.url, endpoint.description, endpoint.version,
    endpoint.throttle_rate, endpoint.disabled, endpoint.event_types, endpoint.channels, endpoint.metadata,
    endpoint.created_at, endpoint.updated_at,
    coalesce(latest.status, 1)::smallint AS status,
    delivery.due_at AS next_at,
    -- As in DeliveryDueMany.
    coalesce(delivery.state = 'leased', false)::boolean AS leased
FROM (
    SELECT attempt.endpoint_id
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.message_id = @message_id
        AND attempt.id >= @first_attempt_id::text
    UNION
    SELECT delivery.endpoint_id
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND delivery.message_id = @message_id
) AS destination
JOIN endpoint ON endpoint.app_id = @app_id
    AND endpoint.id = destination.endpoint_id
LEFT JOIN (
    SELECT DISTINCT ON (attempt.endpoint_id) attempt.endpoint_id, attempt.status
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.message_id = @message_id
        AND attempt.id >= @first_attempt_id::text
    ORDER BY attempt.endpoint_id, attempt.id DESC
) AS latest ON latest.endpoint_id = destination.endpoint_id
LEFT JOIN delivery ON delivery.app_id = @app_id
    AND delivery.message_id = @message_id
    AND delivery.endpoint_id = destination.endpoint_id
WHERE destination.endpoint_id > @after::text
    AND destination.endpoint_id < @before::text
ORDER BY endpoint.id
LIMIT @max_rows::int;

-- name: DestinationListDescending :many
-- DestinationListDescending lists the endpoints that a message was attempted at or is owed to, deleted
-- ones too, by their ids, the last first, with the status of the latest attempt.
SELECT
    endpoint.app_id, endpoint.id, endpoint.uid, endpoint.url, endpoint.description, endpoint.version,
    endpoint.throttle_rate, endpoint.disabled, endpoint.event_types, endpoint.channels, endpoint.metadata,
    endpoint.created_at, endpoint.updated_at,
    coalesce(latest.status, 1)::smallint AS status,
    delivery.due_at AS next_at,
    -- As in DeliveryDueMany.
    coalesce(delivery.state = 'leased', false)::boolean AS leased
FROM (
    SELECT attempt.endpoint_id
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.message_id = @message_id
        AND attempt.id >= @first_attempt_id::text
    UNION
    SELECT delivery.endpoint_id
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND delivery.message_id = @message_id
) AS destination
JOIN endpoint ON endpoint.app_id = @app_id
    AND endpoint.id = destination.endpoint_id
LEFT JOIN (
    SELECT DISTINCT ON (attempt.endpoint_id) attempt.endpoint_id, attempt.status
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.message_id = @message_id
        AND attempt.id >= @first_attempt_id::text
    ORDER BY attempt.endpoint_id, attempt.id DESC
) AS latest ON latest.endpoint_id = destination.endpoint_id
LEFT JOIN delivery ON delivery.app_id = @app_id
    AND delivery.message_id = @message_id
    AND delivery.endpoint_id = destination.endpoint_id
WHERE destination.endpoint_id > @after::text
    AND destination.endpoint_id < @before::text
ORDER BY endpoint.id DESC
LIMIT @max_rows::int;
