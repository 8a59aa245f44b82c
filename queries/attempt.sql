-- name: AttemptGet :one
-- AttemptGet finds an attempt by its message and id, in the one partition that can hold it.
SELECT
    app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger, created_at
FROM attempt
WHERE app_id = @app_id
    AND message_id = @message_id
    AND id = @id;

-- name: AttemptListByEndpointDescending :many
-- AttemptListByEndpointDescending lists the attempts at an endpoint that have one of the statuses, newest
-- first: of each status as many as the page takes, and of those the first.
SELECT
    attempt.app_id, attempt.id, attempt.message_id, attempt.endpoint_id, attempt.url, attempt.status,
    attempt.response_status_code, attempt.response, attempt.duration_ms, attempt.trigger, attempt.created_at
FROM unnest(@statuses::smallint[]) AS wanted(status)
CROSS JOIN LATERAL (
    SELECT one.*
    FROM attempt AS one
    WHERE one.app_id = @app_id
        AND one.endpoint_id = @endpoint_id
        AND one.status = wanted.status
        AND one.id > @after::text
        AND one.id < @before::text
        AND (@code_to::smallint = 0 OR one.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
        AND (
            (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
            OR EXISTS (
                SELECT 1
                FROM message
                WHERE message.app_id = one.app_id
                    AND message.id = one.message_id
                    AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                    AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                    AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
            )
        )
    ORDER BY one.id DESC
    LIMIT @max_rows::int
) AS attempt
ORDER BY attempt.id DESC
LIMIT @max_rows::int;

-- name: AttemptListByEndpointAscending :many
-- AttemptListByEndpointAscending lists the attempts at an endpoint that have one of the statuses, oldest
-- first: of each status as many as the page takes, and of those the first.
SELECT
    attempt.app_id, attempt.id, attempt.message_id, attempt.endpoint_id, attempt.url, attempt.status,
    attempt.response_status_code, attempt.response, attempt.duration_ms, attempt.trigger, attempt.created_at
FROM unnest(@statuses::smallint[]) AS wanted(status)
CROSS JOIN LATERAL (
    SELECT one.*
    FROM attempt AS one
    WHERE one.app_id = @app_id
        AND one.endpoint_id = @endpoint_id
        AND one.status = wanted.status
        AND one.id > @after::text
        AND one.id < @before::text
        AND (@code_to::smallint = 0 OR one.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
        AND (
            (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
            OR EXISTS (
                SELECT 1
                FROM message
                WHERE message.app_id = one.app_id
                    AND message.id = one.message_id
                    AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                    AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                    AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
            )
        )
    ORDER BY one.id
    LIMIT @max_rows::int
) AS attempt
ORDER BY attempt.id
LIMIT @max_rows::int;

-- name: AttemptListByMessageDescending :many
-- AttemptListByMessageDescending lists the attempts to deliver a message, newest first.
SELECT
    attempt.app_id, attempt.id, attempt.message_id, attempt.endpoint_id, attempt.url, attempt.status,
    attempt.response_status_code, attempt.response, attempt.duration_ms, attempt.trigger, attempt.created_at
FROM attempt
WHERE attempt.app_id = @app_id
    AND attempt.message_id = @message_id
    AND attempt.id > @after::text
    AND attempt.id < @before::text
    AND (@endpoint_id::text = '' OR attempt.endpoint_id = @endpoint_id::text)
    AND attempt.status = ANY (@statuses::smallint[])
    AND (@code_to::smallint = 0 OR attempt.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
    AND (
        (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
        OR EXISTS (
            SELECT 1
            FROM message
            WHERE message.app_id = attempt.app_id
                AND message.id = attempt.message_id
                AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
        )
    )
ORDER BY attempt.id DESC
LIMIT @max_rows::int;

-- name: AttemptListByMessageAscending :many
-- AttemptListByMessageAscending lists the attempts to deliver a message, oldest first.
SELECT
    attempt.app_id, attempt.id, attempt.message_id, attempt.endpoint_id, attempt.url, attempt.status,
    attempt.response_status_code, attempt.response, attempt.duration_ms, attempt.trigger, attempt.created_at
FROM attempt
WHERE attempt.app_id = @app_id
    AND attempt.message_id = @message_id
    AND attempt.id > @after::text
    AND attempt.id < @before::text
    AND (@endpoint_id::text = '' OR attempt.endpoint_id = @endpoint_id::text)
    AND attempt.status = ANY (@statuses::smallint[])
    AND (@code_to::smallint = 0 OR attempt.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
    AND (
        (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
        OR EXISTS (
            SELECT 1
            FROM message
            WHERE message.app_id = attempt.app_id
                AND message.id = attempt.message_id
                AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
        )
    )
ORDER BY attempt.id
LIMIT @max_rows::int;

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
            OR EXISTS (
                SELECT 1
                FROM message
                WHERE message.app_id = attempt.app_id
                    AND message.id = attempt.message_id
                    AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                    AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                    AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
            )
        )
    ORDER BY attempt.message_id DESC
    LIMIT @max_rows::int
) AS attempted
CROSS JOIN LATERAL (
    SELECT attempt.status
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.endpoint_id = @endpoint_id
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
            OR EXISTS (
                SELECT 1
                FROM message
                WHERE message.app_id = attempt.app_id
                    AND message.id = attempt.message_id
                    AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                    AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                    AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
            )
        )
    ORDER BY attempt.message_id
    LIMIT @max_rows::int
) AS attempted
CROSS JOIN LATERAL (
    SELECT attempt.status
    FROM attempt
    WHERE attempt.app_id = @app_id
        AND attempt.endpoint_id = @endpoint_id
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
    -- Not EXISTS: Postgres might make a hash of all that is owed, for the few rows of a page.
    AND (
        (
            SELECT delivery.message_id
            FROM delivery
            WHERE delivery.app_id = attempt.app_id
                AND delivery.message_id = attempt.message_id
                AND delivery.endpoint_id = attempt.endpoint_id
        ) IS NOT NULL
    ) = @sending::boolean
    AND NOT EXISTS (
        SELECT 1
        FROM attempt AS success
        WHERE success.app_id = attempt.app_id
            AND success.endpoint_id = attempt.endpoint_id
            AND success.message_id = attempt.message_id
            AND success.id >= @first_attempt_id::text
            AND success.status = 0
    )
    AND (
        (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
        OR EXISTS (
            SELECT 1
            FROM message
            WHERE message.app_id = attempt.app_id
                AND message.id = attempt.message_id
                AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
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
    -- Not EXISTS: Postgres might make a hash of all that is owed, for the few rows of a page.
    AND (
        (
            SELECT delivery.message_id
            FROM delivery
            WHERE delivery.app_id = attempt.app_id
                AND delivery.message_id = attempt.message_id
                AND delivery.endpoint_id = attempt.endpoint_id
        ) IS NOT NULL
    ) = @sending::boolean
    AND NOT EXISTS (
        SELECT 1
        FROM attempt AS success
        WHERE success.app_id = attempt.app_id
            AND success.endpoint_id = attempt.endpoint_id
            AND success.message_id = attempt.message_id
            AND success.id >= @first_attempt_id::text
            AND success.status = 0
    )
    AND (
        (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
        OR EXISTS (
            SELECT 1
            FROM message
            WHERE message.app_id = attempt.app_id
                AND message.id = attempt.message_id
                AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
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
    delivery.due_at AS next_at
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
    delivery.due_at AS next_at
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

-- name: AttemptCount :one
-- AttemptCount counts the attempts at an endpoint by their status, from the index alone.
SELECT
    count(*) FILTER (WHERE attempt.status = 0) AS succeeded,
    count(*) FILTER (WHERE attempt.status = 2) AS failed
FROM attempt
WHERE attempt.app_id = @app_id
    AND attempt.endpoint_id = @endpoint_id
    AND attempt.status IN (0, 2)
    AND attempt.id > @after::text
    AND attempt.id < @before::text;

-- name: AttemptExpunge :execrows
-- AttemptExpunge takes what the receiver answered out of an attempt.
UPDATE attempt
SET response = @response
WHERE app_id = @app_id
    AND message_id = @message_id
    AND id = @id;
