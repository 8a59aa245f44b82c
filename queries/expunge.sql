-- name: MessageExpungeMany :many
-- MessageExpungeMany removes the payloads of messages, named by id or event id, and returns the names of those that
-- exist. Deliveries that are still owed are dropped when they are claimed.
WITH wanted AS (
    -- LATERAL with LIMIT 1, here and below, makes one look-up per message, where a join might read all messages.
    SELECT r.ref, r.ref AS id
    FROM unnest(@refs::text[]) AS r(ref)
    WHERE starts_with(r.ref, 'msg_')
    UNION
    SELECT r.ref, named.message_id
    FROM unnest(@refs::text[]) AS r(ref)
    CROSS JOIN LATERAL (
        SELECT message_event_id.message_id
        FROM message_event_id
        WHERE message_event_id.app_id = @app_id
            AND message_event_id.event_id = r.ref
        LIMIT 1
    ) AS named
),
found AS MATERIALIZED (
    SELECT wanted.ref, one.app_id, one.id
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT message.app_id, message.id
        FROM message
        WHERE message.app_id = @app_id
            AND message.id = wanted.id
        LIMIT 1
    ) AS one
),
expunged AS (
    -- By ctid, whichever partition it is in: by their ids, Postgres might read all messages of the application.
    UPDATE message
    SET payload = NULL
    WHERE message.ctid = ANY (ARRAY(
            SELECT one.place
            FROM found
            CROSS JOIN LATERAL (
                SELECT m.ctid AS place
                FROM message AS m
                WHERE m.app_id = found.app_id
                    AND m.id = found.id
                LIMIT 1
            ) AS one
        ))
        AND message.app_id || '' = @app_id -- prevents the use of an index
        AND message.id || '' = ANY (ARRAY(SELECT found.id FROM found))
)
SELECT found.ref::text AS ref
FROM found
ORDER BY found.ref
LIMIT cardinality(@refs::text[]);

-- name: AttemptExpunge :execrows
-- AttemptExpunge removes the receiver's response from an attempt.
UPDATE attempt
SET response = @response
WHERE app_id = @app_id
    AND message_id = @message_id
    AND id = @id;
