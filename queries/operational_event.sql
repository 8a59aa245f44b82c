-- name: OperationalEventInsert :execrows
-- OperationalEventInsert stores an event if one of the organisation's operational-webhook endpoints wants it now. Its
-- condition is that of the fan-out in MessageInsertMany, as such endpoints have no channels.
INSERT INTO operational_event (org_id, type, payload, subject)
SELECT @org_id::text, @type::text, @payload::text, nullif(@subject::text, '')
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
    -- Not SKIP LOCKED: a concurrent take waits, and then takes the events after these. With SKIP LOCKED, later events
    -- could be stored before earlier ones.
    SELECT id, org_id, type, payload, subject
    FROM operational_event
    ORDER BY id
    LIMIT @max_rows::int
    FOR UPDATE
),
deleted AS (
    DELETE FROM operational_event
    WHERE operational_event.id = ANY (ARRAY(SELECT taken.id FROM taken)) -- a join might read all of them
)
SELECT taken.org_id, taken.type, taken.payload, coalesce(taken.subject, '')::text AS subject, taken.id AS place
FROM taken
ORDER BY taken.id
LIMIT @max_rows::int;

-- name: OperationalEventRecordManyAnyTenant :execrows
-- OperationalEventRecordManyAnyTenant stores events about the results of attempts and about endpoints that were
-- disabled for them, each if an operational-webhook endpoint of its organisation wants it now.
INSERT INTO operational_event (org_id, type, subject, payload)
SELECT
    application.org_id,
    event.type,
    CASE
        WHEN event.message_id = '' THEN event.endpoint_id
        ELSE event.message_id || ' ' || event.endpoint_id
    END,
    json_build_object(
        'type', event.type,
        'data', CASE
            WHEN event.message_id = '' THEN json_build_object(
                'appId', application.id,
                'appUid', application.uid,
                'endpointId', endpoint.id,
                'endpointUid', endpoint.uid,
                'failSince', to_char(endpoint.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'trigger', 'automatic'
            )
            ELSE json_build_object(
                'appId', application.id,
                'appUid', application.uid,
                'msgId', event.message_id,
                'msgEventId', message.event_id,
                'endpointId', endpoint.id,
                'lastAttempt', json_build_object(
                    'id', event.attempt_id,
                    'responseStatusCode', event.response_status_code,
                    'timestamp', to_char(event.attempted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                )
            )
        END
    )::text
FROM unnest(
    @types::text[],
    @app_ids::text[],
    @endpoint_ids::text[],
    @message_ids::text[],
    @attempt_ids::text[],
    @response_status_codes::smallint[],
    @attempted_ats::timestamptz[]
) WITH ORDINALITY AS event(type, app_id, endpoint_id, message_id, attempt_id, response_status_code, attempted_at, n)
-- LATERAL with LIMIT 1 makes one look-up per row, where a join might read all messages of an application.
CROSS JOIN LATERAL (
    SELECT told.org_id, told.id, told.uid
    FROM application AS told
    WHERE told.id = event.app_id
    LIMIT 1
) AS application
CROSS JOIN LATERAL (
    SELECT about.id, about.uid, about.failing_since
    FROM endpoint AS about
    WHERE about.app_id = event.app_id
        AND about.id = event.endpoint_id
    LIMIT 1
) AS endpoint
LEFT JOIN LATERAL (
    SELECT sent.event_id
    FROM message AS sent
    WHERE sent.app_id = event.app_id
        AND sent.id = event.message_id
    LIMIT 1
) AS message ON true
WHERE application.org_id <> @operational_org_id::text
    AND EXISTS (
        SELECT
        FROM application AS operational
        JOIN endpoint AS wanting ON wanting.app_id = operational.id
            AND wanting.deleted_at IS NULL
            AND NOT wanting.disabled
            AND (wanting.event_types IS NULL OR event.type = ANY (wanting.event_types))
        WHERE operational.org_id = @operational_org_id::text
            AND operational.uid = application.org_id
            AND operational.deleted_at IS NULL
    )
ORDER BY event.n;
