-- name: DeliverySequenceManyAnyTenant :execrows
-- DeliverySequenceManyAnyTenant puts the deliveries of messages that were stored in this transaction into lanes, by
-- endpoint and subject. A delivery waits if an earlier one in its lane has not ended. Deliveries to a FIFO endpoint
-- are ordered already.
WITH fresh AS MATERIALIZED (
    -- OFFSET 0 and LIMIT 1 make one index probe per message and delivery, whatever the statistics say.
    SELECT
        owed.tid, owed.endpoint_id, named.subject, named.place,
        coalesce(earlier.endpoint_id = owed.endpoint_id AND earlier.subject = named.subject, false)
            OR row_number() OVER (PARTITION BY owed.endpoint_id, named.subject ORDER BY named.place) > 1 AS waits
    FROM unnest(@app_ids::text[], @message_ids::text[], @subjects::text[], @places::bigint[])
        AS named(app_id, message_id, subject, place)
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.endpoint_id
        FROM delivery
        WHERE delivery.app_id = named.app_id
            AND delivery.message_id = named.message_id
            AND delivery.queue = 0 -- first
        OFFSET 0
    ) AS owed
    LEFT JOIN LATERAL (
        -- The first delivery of the lane, or of the next one. The row comparison reads one row of the index, where
        -- equality may read the whole lane.
        SELECT delivery.endpoint_id, delivery.subject
        FROM delivery
        WHERE delivery.subject IS NOT NULL
            AND (delivery.endpoint_id, delivery.subject, delivery.place) > (owed.endpoint_id, named.subject, 0)
        ORDER BY delivery.endpoint_id, delivery.subject, delivery.place
        LIMIT 1
    ) AS earlier ON true
)
UPDATE delivery
SET subject = fresh.subject,
    place = fresh.place,
    queue = CASE WHEN fresh.waits THEN 3 ELSE 0 END, -- behind, first
    state = CASE WHEN fresh.waits THEN 'waiting' ELSE delivery.state END
FROM fresh
WHERE delivery.ctid = fresh.tid;

-- name: DeliveryFollowManyAnyTenant :one
-- DeliveryFollowManyAnyTenant makes the next delivery of each lane due, if there is one, because the previous one has
-- ended. It returns how many it made due.
WITH next AS MATERIALIZED (
    SELECT first.tid
    FROM unnest(@endpoint_ids::text[], @subjects::text[]) AS lane(endpoint_id, subject)
    CROSS JOIN LATERAL (
        -- A row comparison, as in DeliverySequenceManyAnyTenant.
        SELECT delivery.ctid::tid AS tid, delivery.endpoint_id, delivery.subject, delivery.queue
        FROM delivery
        WHERE delivery.subject IS NOT NULL
            AND (delivery.endpoint_id, delivery.subject, delivery.place) > (lane.endpoint_id, lane.subject, 0)
        ORDER BY delivery.endpoint_id, delivery.subject, delivery.place
        LIMIT 1
    ) AS first
    WHERE first.endpoint_id = lane.endpoint_id
        AND first.subject = lane.subject
        AND first.queue = 3 -- behind
),
followed AS (
    UPDATE delivery
    SET queue = 0, -- first
        due_at = @now::timestamptz
    FROM next
    WHERE delivery.ctid = next.tid
        AND delivery.queue = 3 -- behind
    RETURNING delivery.message_id
)
SELECT
    (SELECT count(*) FROM followed)::bigint AS followed,
    -- The payload is a column: an expression without columns may be evaluated on another node, and without a row.
    coalesce((
        SELECT pg_notify(format('%s_delivery', current_schema()), due.payload)::text
        FROM (SELECT '' AS payload FROM followed LIMIT 1) AS due
    ), '')::text AS announced;

-- name: DeliveryLaneListAnyTenant :many
-- DeliveryLaneListAnyTenant goes from lane to lane, with one index probe each. It lists the lanes whose first
-- delivery waits although nothing precedes it, and the last lane it looked at.
WITH RECURSIVE lane AS (
    (
        SELECT delivery.endpoint_id, delivery.subject, delivery.queue, 1 AS n
        FROM delivery
        WHERE delivery.subject IS NOT NULL
            AND (delivery.endpoint_id, delivery.subject) > (@after_endpoint_id::text, @after_subject::text)
        ORDER BY delivery.endpoint_id, delivery.subject, delivery.place
        LIMIT 1
    )
    UNION ALL
    SELECT following.endpoint_id, following.subject, following.queue, lane.n + 1
    FROM lane
    CROSS JOIN LATERAL (
        SELECT delivery.endpoint_id, delivery.subject, delivery.queue
        FROM delivery
        WHERE delivery.subject IS NOT NULL
            AND (delivery.endpoint_id, delivery.subject) > (lane.endpoint_id, lane.subject)
        ORDER BY delivery.endpoint_id, delivery.subject, delivery.place
        LIMIT 1
    ) AS following
    WHERE lane.n < @max_lanes::int
)
SELECT
    lane.endpoint_id::text AS endpoint_id,
    lane.subject::text AS subject,
    lane.n::int AS n,
    (lane.queue = 3)::boolean AS waits -- behind
FROM lane
WHERE lane.queue = 3 -- behind
    OR lane.n = @max_lanes::int
ORDER BY lane.endpoint_id, lane.subject
LIMIT @max_lanes::int;
