-- name: DeliveryDropByEndpoint :execrows
-- DeliveryDropByEndpoint drops up to max_rows deliveries that wait for an endpoint, and returns how many it dropped.
-- It waits for locked ones, so a count below max_rows means that none are left.
WITH doomed AS MATERIALIZED (
    SELECT candidate.tid
    -- The endpoint as a column, because Postgres might read the whole primary key for a value that it knows.
    FROM unnest('{0, 1, 2, 3}'::smallint[], array_fill(@endpoint_id::text, '{4}')) AS place(queue, endpoint_id)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid
        FROM delivery
        WHERE delivery.queue = place.queue -- first, retry, ordered or behind
            AND delivery.endpoint_id = place.endpoint_id
            AND delivery.state = 'waiting'
            AND delivery.app_id || '' = @app_id -- prevents the use of the primary key
        ORDER BY delivery.due_at
        LIMIT @max_rows::int
        FOR UPDATE
    ) AS candidate
    LIMIT @max_rows::int
)
DELETE FROM delivery
USING doomed
WHERE delivery.ctid = doomed.tid;

-- name: DeliveryDropByApplication :execrows
-- DeliveryDropByApplication drops up to max_rows deliveries of an application, and returns how many it dropped.
WITH doomed AS MATERIALIZED (
    -- SKIP LOCKED, because a worker is about to drop it, or will find its endpoint deleted.
    SELECT delivery.ctid::tid AS tid
    FROM delivery
    WHERE delivery.app_id = @app_id
    ORDER BY delivery.app_id, delivery.message_id, delivery.endpoint_id
    LIMIT @max_rows::int
    FOR UPDATE SKIP LOCKED
)
DELETE FROM delivery
USING doomed
WHERE delivery.ctid = doomed.tid;

-- name: DeliveryReleaseMany :execrows
-- DeliveryReleaseMany makes deliveries whose lease this process still holds due immediately.
WITH held AS MATERIALIZED (
    -- As in DeliveryRecordMany.
    SELECT owed.tid, named.lease
    FROM unnest(@app_ids::text[], @message_ids::text[], @endpoint_ids::text[], @leases::bigint[])
        AS named(app_id, message_id, endpoint_id, lease)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.lease
        FROM delivery
        WHERE delivery.app_id = named.app_id
            AND delivery.message_id = named.message_id
            AND delivery.endpoint_id = named.endpoint_id
        LIMIT 1
    ) AS owed
    WHERE owed.lease = named.lease
)
UPDATE delivery
SET due_at = @now::timestamptz,
    state = 'waiting'
FROM held
WHERE delivery.ctid = held.tid
    AND delivery.lease = held.lease;

-- name: DeliveryPostponeMany :one
-- DeliveryPostponeMany gives back the leases of deliveries whose attempt could not be made through no fault of their
-- endpoint, postpones each delivery to a time of its own, and counts those that were still held. Nothing else about a
-- delivery changes. An endpoint that was waiting for this attempt as its probe may be probed again at that time.
WITH held AS MATERIALIZED (
    -- As in DeliveryRecordMany.
    SELECT owed.tid, named.lease, named.leased_until, named.due_at
    FROM unnest(
        @app_ids::text[],
        @message_ids::text[],
        @endpoint_ids::text[],
        @leases::bigint[],
        @leased_untils::timestamptz[],
        @due_ats::timestamptz[]
    ) AS named(app_id, message_id, endpoint_id, lease, leased_until, due_at)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.lease
        FROM delivery
        WHERE delivery.app_id = named.app_id
            AND delivery.message_id = named.message_id
            AND delivery.endpoint_id = named.endpoint_id
        LIMIT 1
    ) AS owed
    WHERE owed.lease = named.lease
),
postponed AS (
    UPDATE delivery
    SET due_at = held.due_at,
        state = 'waiting',
        resume_at = CASE WHEN delivery.manual THEN delivery.resume_at ELSE held.due_at END
    FROM held
    WHERE delivery.ctid = held.tid
        AND delivery.lease = held.lease
    RETURNING delivery.app_id, delivery.endpoint_id, held.leased_until, held.due_at
),
probed AS (
    -- A claim that probes an endpoint pauses it until the lease ends. SKIP LOCKED as in DeliveryRecordMany: a skipped
    -- endpoint is probed one lease later.
    SELECT endpoint.tid, endpoint.id, postponed.due_at
    FROM postponed
    CROSS JOIN LATERAL (
        SELECT endpoint.ctid::tid AS tid, endpoint.id
        FROM endpoint
        WHERE endpoint.app_id = postponed.app_id
            AND endpoint.id = postponed.endpoint_id
            AND endpoint.paused_until = postponed.leased_until
        LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS endpoint
),
resumed AS (
    UPDATE endpoint
    SET paused_until = probed.due_at
    FROM probed
    WHERE endpoint.ctid = probed.tid
        AND endpoint.id = probed.id
)
SELECT count(*)
FROM postponed;

-- name: DeliveryInsert :one
-- DeliveryInsert creates a delivery that is due now, and returns 1. It inserts no row and returns 0 if the message is
-- already owed to the endpoint.
WITH owed AS (
    -- A FIFO endpoint's deliveries are numbered under the lock that MessageInsertMany describes. nextval returns NULL
    -- for NULL.
    INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, seq)
    SELECT
        endpoint.app_id, @message_id::text, endpoint.id, @now::timestamptz, 0,
        CASE WHEN endpoint.fifo THEN 2 ELSE 0 END, -- ordered, first
        nextval(CASE
            WHEN endpoint.fifo
                AND pg_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), endpoint.app_id), 0))::text = ''
            THEN 'delivery_seq'::regclass
        END)
    FROM endpoint
    WHERE endpoint.app_id = @app_id::text
        AND endpoint.id = @endpoint_id::text
    ON CONFLICT (app_id, message_id, endpoint_id) DO NOTHING
    RETURNING message_id
)
SELECT
    (SELECT count(*) FROM owed)::bigint AS inserted,
    -- The payload is a column: an expression without columns may be evaluated on another node, and without a row.
    coalesce((
        SELECT pg_notify(format('%s_delivery', current_schema()), due.payload)::text
        FROM (SELECT '' AS payload FROM owed LIMIT 1) AS due
    ), '')::text AS announced;

-- name: DeliveryResend :one
-- DeliveryResend makes a delivery due now, for one attempt. If the message is already owed to the endpoint, that
-- attempt comes first, and the schedule continues after it. An attempt in progress loses its lease: if it ended the
-- delivery, the requested attempt would never be made. At a FIFO endpoint the delivery has to wait its turn. It returns
-- how many deliveries it made due.
WITH owed AS (
    -- Numbered as in DeliveryInsert.
    INSERT INTO delivery AS owed (app_id, message_id, endpoint_id, due_at, lease, manual, queue, seq)
    SELECT
        endpoint.app_id, @message_id::text, endpoint.id, @now::timestamptz, 0, true,
        CASE WHEN endpoint.fifo THEN 2 ELSE 0 END, -- ordered, first
        nextval(CASE
            WHEN endpoint.fifo
                AND pg_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), endpoint.app_id), 0))::text = ''
            THEN 'delivery_seq'::regclass
        END)
    FROM endpoint
    WHERE endpoint.app_id = @app_id::text
        AND endpoint.id = @endpoint_id::text
    ON CONFLICT (app_id, message_id, endpoint_id) DO UPDATE
    SET due_at = excluded.due_at,
        lease = owed.lease + 1,
        state = 'waiting',
        manual = true,
        queue = CASE WHEN owed.queue = 2 THEN 2 ELSE 0 END, -- ordered, first
        resume_at = CASE WHEN owed.manual THEN owed.resume_at ELSE greatest(owed.due_at, excluded.due_at) END
    RETURNING owed.message_id
)
SELECT
    (SELECT count(*) FROM owed)::bigint AS resent,
    -- The payload is a column: an expression without columns may be evaluated on another node, and without a row.
    coalesce((
        SELECT pg_notify(format('%s_delivery', current_schema()), due.payload)::text
        FROM (SELECT '' AS payload FROM owed LIMIT 1) AS due
    ), '')::text AS announced;
