-- name: OperationalEventInsert :execrows
-- OperationalEventInsert writes an event down if one of the organisation's operational-webhook endpoints
-- wants it now: the condition of the fan-out in MessageInsertMany, as such endpoints have no channels.
INSERT INTO operational_event (org_id, type, payload)
SELECT @org_id::text, @type::text, @payload::text
WHERE EXISTS (
    SELECT
    FROM application
    JOIN endpoint ON endpoint.app_id = application.id
        AND endpoint.deleted_at IS NULL
        AND NOT endpoint.disabled
        AND (endpoint.event_types IS NULL OR @type::text = ANY (endpoint.event_types))
    WHERE application.org_id = @operational_org_id::text
        AND application.uid = @org_id::text
        AND application.deleted_at IS NULL
);

-- name: OperationalEventTakeManyAnyTenant :many
-- OperationalEventTakeManyAnyTenant deletes the first events and returns them in order.
WITH taken AS MATERIALIZED (
    -- Not SKIP LOCKED: who comes while another takes waits, and then takes what is behind. With it, the
    -- later events could be stored before the earlier ones.
    SELECT id, org_id, type, payload
    FROM operational_event
    ORDER BY id
    LIMIT @max_rows::int
    FOR UPDATE
),
deleted AS (
    DELETE FROM operational_event
    WHERE operational_event.id IN (SELECT taken.id FROM taken)
)
SELECT taken.org_id, taken.type, taken.payload
FROM taken
ORDER BY taken.id
LIMIT @max_rows::int;
