-- name: EndpointPaceLockManyAnyTenant :many
-- EndpointPaceLockManyAnyTenant reads how much of their rate limits endpoints have used, and prevents others from
-- claiming for them until the transaction ends. It omits endpoints for which another worker is claiming at this
-- moment.
SELECT
    endpoint.app_id, endpoint.id, coalesce(endpoint.throttle_rate, 0)::int AS throttle_rate,
    endpoint.throttled_until, endpoint.paused_until
FROM unnest(@app_ids::text[], @endpoint_ids::text[]) AS wanted(app_id, id)
CROSS JOIN LATERAL (
    SELECT endpoint.app_id, endpoint.id, endpoint.throttle_rate, endpoint.throttled_until, endpoint.paused_until
    FROM endpoint
    WHERE endpoint.app_id = wanted.app_id
        AND endpoint.id = wanted.id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
) AS endpoint
ORDER BY endpoint.app_id, endpoint.id
LIMIT cardinality(@endpoint_ids::text[]);

-- name: ApplicationPaceLockManyAnyTenant :many
-- ApplicationPaceLockManyAnyTenant is like EndpointPaceLockManyAnyTenant, for applications.
SELECT application.id, coalesce(application.throttle_rate, 0)::int AS throttle_rate, application.throttled_until
FROM application
WHERE application.id = ANY (@ids::text[])
ORDER BY application.id
LIMIT cardinality(@ids::text[])
FOR NO KEY UPDATE OF application SKIP LOCKED;

-- name: EndpointPaceUpdateManyAnyTenant :execrows
-- EndpointPaceUpdateManyAnyTenant records how much a claim used. An endpoint that is being probed is paused until the
-- probe's lease ends. The first instant of the year 1 means no time.
WITH pace AS MATERIALIZED (
    SELECT endpoint.tid, used.id, used.throttled_until, used.paused_until
    FROM unnest(
        @app_ids::text[],
        @endpoint_ids::text[],
        @throttled_untils::timestamptz[],
        @paused_untils::timestamptz[]
    ) AS used(app_id, id, throttled_until, paused_until)
    CROSS JOIN LATERAL (
        SELECT endpoint.ctid::tid AS tid
        FROM endpoint
        WHERE endpoint.app_id = used.app_id
            AND endpoint.id = used.id
        LIMIT 1
    ) AS endpoint
)
UPDATE endpoint
SET throttled_until = nullif(pace.throttled_until, '0001-01-01Z'),
    paused_until = nullif(pace.paused_until, '0001-01-01Z')
FROM pace
WHERE endpoint.ctid = pace.tid
    AND endpoint.id = pace.id;

-- name: ApplicationPaceUpdateManyAnyTenant :execrows
-- ApplicationPaceUpdateManyAnyTenant is like EndpointPaceUpdateManyAnyTenant, for applications.
UPDATE application
SET throttled_until = pace.throttled_until
FROM unnest(@ids::text[], @throttled_untils::timestamptz[]) AS pace(id, throttled_until)
WHERE application.id = pace.id;
