-- name: MessageGet :one
-- MessageGet finds a message by id, in the only partition that can contain it.
SELECT
    app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at, content_type,
    deliver_at, traceparent
FROM message
WHERE app_id = @app_id
    AND id = @id;

-- name: MessageGetByEventID :one
-- MessageGetByEventID finds a message by its event id, which the sender chose.
SELECT
    message.app_id, message.id, message.event_id, message.event_type, message.channels, message.tags,
    message.payload, message.expires_at, message.created_at, message.content_type, message.deliver_at,
    message.traceparent
FROM message_event_id
CROSS JOIN LATERAL (
    -- LIMIT makes this a look-up, where a join might read all messages of the application.
    SELECT one.*
    FROM message AS one
    WHERE one.app_id = message_event_id.app_id
        AND one.id = message_event_id.message_id
    LIMIT 1
) AS message
WHERE message_event_id.app_id = @app_id
    AND message_event_id.event_id = @event_id;

-- name: MessageListDescending :many
-- MessageListDescending lists messages, newest first, without their payloads: MessagePayloadGetMany returns those of
-- as many messages as fit into a page. No index covers the filters, so they are applied to up to max_looked messages.
-- The last message looked at is returned whether it matches or not, and is marked as the last. The LIMIT is hidden
-- from the planner in a subquery. The planner then assumes the first tenth of the rows, and reads the index in order.
-- With a constant, it would read and sort all rows if statistics say that there are hardly as many of them.
SELECT
    message.app_id, message.id, message.event_id, message.event_type, message.channels, message.tags,
    message.expires_at, message.created_at, message.content_type, message.deliver_at,
    message.traceparent, message.matches::boolean AS matches,
    coalesce(octet_length(message.payload), 0)::bigint AS payload_bytes,
    CASE WHEN message.n = @max_looked::int THEN message.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (
            (@channel::text = '' OR @channel::text = ANY (looked.channels))
            AND (@tag::text = '' OR @tag::text = ANY (looked.tags))
            AND (cardinality(@event_types::text[]) = 0 OR looked.event_type = ANY (@event_types::text[]))
        ) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id DESC) AS n
    FROM (
        SELECT
            app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at, content_type,
            deliver_at, traceparent
        FROM message
        WHERE app_id = @app_id
            AND id > @after::text
            AND id < @before::text
        ORDER BY id DESC
        LIMIT (SELECT @max_looked::int)
    ) AS looked
) AS message
WHERE message.matches
    OR message.n = @max_looked::int
ORDER BY message.id DESC
LIMIT @max_rows::int;

-- name: MessageListAscending :many
-- MessageListAscending lists messages, oldest first, as MessageListDescending does.
SELECT
    message.app_id, message.id, message.event_id, message.event_type, message.channels, message.tags,
    message.expires_at, message.created_at, message.content_type, message.deliver_at,
    message.traceparent, message.matches::boolean AS matches,
    coalesce(octet_length(message.payload), 0)::bigint AS payload_bytes,
    CASE WHEN message.n = @max_looked::int THEN message.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (
            (@channel::text = '' OR @channel::text = ANY (looked.channels))
            AND (@tag::text = '' OR @tag::text = ANY (looked.tags))
            AND (cardinality(@event_types::text[]) = 0 OR looked.event_type = ANY (@event_types::text[]))
        ) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id) AS n
    FROM (
        SELECT
            app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at, content_type,
            deliver_at, traceparent
        FROM message
        WHERE app_id = @app_id
            AND id > @after::text
            AND id < @before::text
        ORDER BY id
        LIMIT (SELECT @max_looked::int)
    ) AS looked
) AS message
WHERE message.matches
    OR message.n = @max_looked::int
ORDER BY message.id
LIMIT @max_rows::int;

-- name: MessageGetMany :many
-- MessageGetMany finds messages by their ids, without their payloads, in id order, and omits those that do not exist.
SELECT
    message.app_id, message.id, message.event_id, message.event_type, message.channels, message.tags,
    message.expires_at, message.created_at, message.content_type, message.deliver_at,
    message.traceparent, coalesce(octet_length(message.payload), 0)::bigint AS payload_bytes
FROM (SELECT DISTINCT i.id FROM unnest(@ids::text[]) AS i(id)) AS wanted
CROSS JOIN LATERAL (
    -- LIMIT makes one look-up per message in its partition, where a join might read all messages of the application.
    SELECT one.*
    FROM message AS one
    WHERE one.app_id = @app_id
        AND one.id = wanted.id
    LIMIT 1
) AS message
ORDER BY message.id
LIMIT cardinality(@ids::text[]);

-- name: MessagePayloadGetMany :many
-- MessagePayloadGetMany reads the payloads of messages in id order, and omits messages without one.
SELECT wanted.id::text AS id, message.payload::text AS payload
FROM (SELECT DISTINCT i.id FROM unnest(@ids::text[]) AS i(id)) AS wanted
CROSS JOIN LATERAL (
    -- LIMIT: as in MessageGetMany.
    SELECT one.payload
    FROM message AS one
    WHERE one.app_id = @app_id
        AND one.id = wanted.id
    LIMIT 1
) AS message
WHERE message.payload IS NOT NULL
ORDER BY wanted.id
LIMIT cardinality(@ids::text[]);

-- name: MessagePayloadGet :one
-- MessagePayloadGet reads the payload of a message that has not expired.
SELECT message.payload::text AS payload
FROM message
WHERE message.app_id = @app_id
    AND message.id = @id
    AND message.payload IS NOT NULL
    AND message.expires_at > @now::timestamptz
LIMIT 1;

-- name: MessageIDGet :one
-- MessageIDGet finds a message's id by its event id, which the sender chose.
SELECT message_id
FROM message_event_id
WHERE app_id = @app_id
    AND event_id = @event_id;

-- name: MessageInsert :execrows
-- MessageInsert stores one message without deliveries, as MessageInsertMany would store it, for a use case that
-- chooses its endpoints in the same unit of work.
INSERT INTO message (
    app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at, content_type, deliver_at,
    traceparent
)
VALUES (
    @app_id, @id, @event_id, @event_type, @channels, @tags, @payload, @expires_at, @created_at, @content_type,
    @deliver_at, @traceparent
);
