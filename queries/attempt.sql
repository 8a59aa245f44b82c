-- name: AttemptGet :one
-- AttemptGet finds an attempt by its message and id, in the only partition that can contain it.
SELECT
    app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger, created_at
FROM attempt
WHERE app_id = @app_id
    AND message_id = @message_id
    AND id = @id;

-- name: AttemptListByEndpointDescending :many
-- AttemptListByEndpointDescending lists the attempts at an endpoint that have one of the statuses, newest first. It
-- reads up to a page of each status, and returns the newest of those. Of each status it looks at up to max_looked
-- attempts, and returns the last of them whether it matches or not, as MessageListDescending does: nothing after the
-- first of those rows is complete.
SELECT
    attempt.app_id, attempt.id, attempt.message_id, attempt.endpoint_id, attempt.url, attempt.status,
    attempt.response_status_code,
    CASE WHEN @with_response::boolean THEN attempt.response ELSE '' END::text AS response, attempt.duration_ms, attempt.trigger, attempt.created_at,
    attempt.matches::boolean AS matches,
    CASE WHEN attempt.n = @max_looked::int THEN attempt.id ELSE '' END::text AS ended
FROM unnest(@statuses::smallint[]) AS wanted(status)
CROSS JOIN LATERAL (
    SELECT numbered.*
    FROM (
        SELECT
            looked.*,
            (
                (@code_to::smallint = 0 OR looked.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
                AND (
                    (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
                    -- Not EXISTS, for which the planner may hash all messages, but one look-up per row.
                    OR (
                        SELECT true
                        FROM message
                        WHERE message.app_id = looked.app_id
                            AND message.id = looked.message_id
                            AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                            AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                            AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                        LIMIT 1
                    )
                )
            ) IS TRUE AS matches,
            row_number() OVER (ORDER BY looked.id DESC) AS n
        FROM (
            SELECT one.*
            FROM attempt AS one
            WHERE one.app_id = @app_id
                AND one.endpoint_id = @endpoint_id
                AND one.status = wanted.status
                AND one.id > @after::text
                AND one.id < @before::text
            ORDER BY one.id DESC
            LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
        ) AS looked
    ) AS numbered
    WHERE numbered.matches
        OR numbered.n = @max_looked::int
    ORDER BY numbered.id DESC
    LIMIT @max_rows::int
) AS attempt
ORDER BY attempt.id DESC
LIMIT @max_rows::int;

-- name: AttemptListByEndpointAscending :many
-- AttemptListByEndpointAscending lists the attempts at an endpoint, oldest first, as
-- AttemptListByEndpointDescending does.
SELECT
    attempt.app_id, attempt.id, attempt.message_id, attempt.endpoint_id, attempt.url, attempt.status,
    attempt.response_status_code,
    CASE WHEN @with_response::boolean THEN attempt.response ELSE '' END::text AS response, attempt.duration_ms, attempt.trigger, attempt.created_at,
    attempt.matches::boolean AS matches,
    CASE WHEN attempt.n = @max_looked::int THEN attempt.id ELSE '' END::text AS ended
FROM unnest(@statuses::smallint[]) AS wanted(status)
CROSS JOIN LATERAL (
    SELECT numbered.*
    FROM (
        SELECT
            looked.*,
            (
                (@code_to::smallint = 0 OR looked.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
                AND (
                    (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
                    -- Not EXISTS, for which the planner may hash all messages, but one look-up per row.
                    OR (
                        SELECT true
                        FROM message
                        WHERE message.app_id = looked.app_id
                            AND message.id = looked.message_id
                            AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                            AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                            AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                        LIMIT 1
                    )
                )
            ) IS TRUE AS matches,
            row_number() OVER (ORDER BY looked.id) AS n
        FROM (
            SELECT one.*
            FROM attempt AS one
            WHERE one.app_id = @app_id
                AND one.endpoint_id = @endpoint_id
                AND one.status = wanted.status
                AND one.id > @after::text
                AND one.id < @before::text
            ORDER BY one.id
            LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
        ) AS looked
    ) AS numbered
    WHERE numbered.matches
        OR numbered.n = @max_looked::int
    ORDER BY numbered.id
    LIMIT @max_rows::int
) AS attempt
ORDER BY attempt.id
LIMIT @max_rows::int;

-- name: AttemptListByMessageDescending :many
-- AttemptListByMessageDescending lists the attempts to deliver a message, newest first. It looks at up to max_looked
-- of them, as MessageListDescending does.
SELECT
    attempt.app_id, attempt.id, attempt.message_id, attempt.endpoint_id, attempt.url, attempt.status,
    attempt.response_status_code,
    CASE WHEN @with_response::boolean THEN attempt.response ELSE '' END::text AS response, attempt.duration_ms, attempt.trigger, attempt.created_at,
    attempt.matches::boolean AS matches,
    CASE WHEN attempt.n = @max_looked::int THEN attempt.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (
            (@endpoint_id::text = '' OR looked.endpoint_id = @endpoint_id::text)
            AND looked.status = ANY (@statuses::smallint[])
            AND (@code_to::smallint = 0 OR looked.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
            AND (
                (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
                -- Evaluated once: all attempts are of this message.
                OR (
                    SELECT true
                    FROM message
                    WHERE message.app_id = @app_id
                        AND message.id = @message_id
                        AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                        AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                        AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                    LIMIT 1
                )
            )
        ) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id DESC) AS n
    FROM (
        SELECT one.*
        FROM attempt AS one
        WHERE one.app_id = @app_id
            AND one.message_id = @message_id
            AND one.id > @after::text
            AND one.id < @before::text
        ORDER BY one.id DESC
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS attempt
WHERE attempt.matches
    OR attempt.n = @max_looked::int
ORDER BY attempt.id DESC
LIMIT @max_rows::int;

-- name: AttemptListByMessageAscending :many
-- AttemptListByMessageAscending lists the attempts to deliver a message, oldest first, as
-- AttemptListByMessageDescending does.
SELECT
    attempt.app_id, attempt.id, attempt.message_id, attempt.endpoint_id, attempt.url, attempt.status,
    attempt.response_status_code,
    CASE WHEN @with_response::boolean THEN attempt.response ELSE '' END::text AS response, attempt.duration_ms, attempt.trigger, attempt.created_at,
    attempt.matches::boolean AS matches,
    CASE WHEN attempt.n = @max_looked::int THEN attempt.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (
            (@endpoint_id::text = '' OR looked.endpoint_id = @endpoint_id::text)
            AND looked.status = ANY (@statuses::smallint[])
            AND (@code_to::smallint = 0 OR looked.response_status_code BETWEEN @code_from::smallint AND @code_to::smallint)
            AND (
                (@channel::text = '' AND @tag::text = '' AND cardinality(@event_types::text[]) = 0)
                -- Evaluated once: all attempts are of this message.
                OR (
                    SELECT true
                    FROM message
                    WHERE message.app_id = @app_id
                        AND message.id = @message_id
                        AND (@channel::text = '' OR @channel::text = ANY (message.channels))
                        AND (@tag::text = '' OR @tag::text = ANY (message.tags))
                        AND (cardinality(@event_types::text[]) = 0 OR message.event_type = ANY (@event_types::text[]))
                    LIMIT 1
                )
            )
        ) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id) AS n
    FROM (
        SELECT one.*
        FROM attempt AS one
        WHERE one.app_id = @app_id
            AND one.message_id = @message_id
            AND one.id > @after::text
            AND one.id < @before::text
        ORDER BY one.id
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS attempt
WHERE attempt.matches
    OR attempt.n = @max_looked::int
ORDER BY attempt.id
LIMIT @max_rows::int;
