-- name: DeliveryDropManyAnyTenant :many
-- DeliveryDropManyAnyTenant drops deliveries to endpoints that no longer receive any, up to a limit for each, and
-- returns how many it dropped.
WITH doomed AS MATERIALIZED (
    SELECT candidate.tid
    FROM unnest(@endpoint_ids::text[]) AS gone(endpoint_id)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.app_id
        FROM delivery
        WHERE delivery.queue = ANY ('{0, 1, 2, 3}') -- first, retry, ordered, behind
            AND delivery.endpoint_id = gone.endpoint_id
            AND delivery.state = 'waiting'
        LIMIT @max_each::int
        FOR UPDATE SKIP LOCKED
    ) AS candidate
    CROSS JOIN LATERAL (
        SELECT endpoint.id
        FROM endpoint
        WHERE endpoint.app_id = candidate.app_id
            AND endpoint.id = gone.endpoint_id
            AND (endpoint.disabled OR endpoint.deleted_at IS NOT NULL)
        LIMIT 1
    ) AS endpoint
),
dropped AS (
    DELETE FROM delivery
    USING doomed
    WHERE delivery.ctid = doomed.tid
    RETURNING delivery.app_id, delivery.endpoint_id
)
SELECT dropped.app_id, dropped.endpoint_id, count(*) AS deliveries
FROM dropped
GROUP BY dropped.app_id, dropped.endpoint_id
ORDER BY dropped.app_id, dropped.endpoint_id
LIMIT cardinality(@endpoint_ids::text[]);

-- name: DeliveryDropUnsendableManyAnyTenant :many
-- DeliveryDropUnsendableManyAnyTenant drops those of the given due deliveries whose payload was expunged, has
-- expired, or was deleted with its message, and returns them with their latest attempts.
WITH unsendable AS MATERIALIZED (
    -- LATERAL with LIMIT 1 makes one index probe per row, whatever the statistics say.
    SELECT
        owed.tid, owed.app_id, owed.message_id, owed.endpoint_id, owed.attempts, owed.manual, owed.resume_at,
        coalesce(owed.subject, '') AS subject,
        content.kept AS expired
    FROM unnest(@app_ids::text[], @message_ids::text[], @endpoint_ids::text[])
        AS named(app_id, message_id, endpoint_id)
    CROSS JOIN LATERAL (
        -- SKIP LOCKED, because another worker is dropping it.
        SELECT
            delivery.ctid::tid AS tid, delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.attempts,
            delivery.manual, delivery.resume_at, delivery.subject
        FROM delivery
        WHERE delivery.app_id = named.app_id
            AND delivery.message_id = named.message_id
            AND delivery.endpoint_id = named.endpoint_id
            AND delivery.due_at <= @now::timestamptz
            AND delivery.state || '' = 'waiting' -- prevents the use of an index on all waiting deliveries
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS owed
    LEFT JOIN LATERAL (
        SELECT message.payload IS NOT NULL AS kept, message.expires_at
        FROM message
        WHERE message.app_id = named.app_id
            AND message.id = named.message_id
        LIMIT 1
    ) AS content ON true
    WHERE content.kept IS NOT TRUE
        OR content.expires_at <= @now::timestamptz
),
dropped AS (
    DELETE FROM delivery
    USING unsendable
    WHERE delivery.ctid = unsendable.tid
)
SELECT
    unsendable.app_id, unsendable.message_id, unsendable.endpoint_id, unsendable.attempts, unsendable.manual,
    unsendable.resume_at, unsendable.subject,
    coalesce(unsendable.expired, false)::boolean AS expired,
    coalesce(latest.id, '')::text AS attempt_id,
    coalesce(latest.response_status_code, 0)::smallint AS response_status_code,
    coalesce(latest.created_at, @now)::timestamptz AS attempted_at
FROM unsendable
LEFT JOIN LATERAL (
    SELECT attempt.id, attempt.response_status_code, attempt.created_at
    FROM attempt
    WHERE attempt.app_id = unsendable.app_id
        AND attempt.message_id = unsendable.message_id
        AND attempt.endpoint_id = unsendable.endpoint_id
    ORDER BY attempt.id DESC
    LIMIT 1
) AS latest ON true
ORDER BY unsendable.message_id, unsendable.endpoint_id
LIMIT cardinality(@message_ids::text[]);
