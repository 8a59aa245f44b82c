-- Views for psql and dashboards: what is owed to whom, since when, and to which endpoints in vain. None shows a secret, an
-- HTTP header of an endpoint or the user and password in a URL.
--
-- Views read the tables when they are asked, and cost nothing otherwise. Comments say which ones read a whole table.
--
-- A column that a view uses can neither be dropped nor change its type: such a migration drops the view first and creates
-- it again.
--
-- Views only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE VIEW queue AS
SELECT
    owed.app_id,
    owed.endpoint_id,
    owed.deliveries,
    owed.fresh,
    owed.waiting,
    owed.leased,
    owed.first_attempts,
    owed.retries,
    owed.in_order,
    owed.behind,
    owed.past_due,
    owed.due_at,
    CASE WHEN owed.due_at < now() THEN now() - owed.due_at END AS overdue,
    endpoint.disabled,
    endpoint.paused_until
FROM (
    SELECT
        delivery.app_id,
        delivery.endpoint_id,
        count(*) AS deliveries,
        count(*) FILTER (WHERE delivery.state = 'fresh') AS fresh,
        count(*) FILTER (WHERE delivery.state = 'waiting') AS waiting,
        count(*) FILTER (WHERE delivery.state = 'leased') AS leased,
        count(*) FILTER (WHERE delivery.queue = 0) AS first_attempts,
        count(*) FILTER (WHERE delivery.queue = 1) AS retries,
        count(*) FILTER (WHERE delivery.queue = 2) AS in_order,
        count(*) FILTER (WHERE delivery.queue = 3) AS behind,
        count(*) FILTER (WHERE delivery.due_at < now()) AS past_due,
        min(delivery.due_at) FILTER (WHERE delivery.state <> 'leased') AS due_at
    FROM delivery
    GROUP BY delivery.app_id, delivery.endpoint_id
) AS owed
LEFT JOIN endpoint ON endpoint.app_id = owed.app_id AND endpoint.id = owed.endpoint_id;

COMMENT ON VIEW queue IS 'What is owed to each endpoint. Reads all of delivery, which is as large as the backlog; WHERE app_id = ... reads what is owed to one application.';
COMMENT ON COLUMN queue.app_id IS 'The application of the endpoint.';
COMMENT ON COLUMN queue.endpoint_id IS 'The endpoint.';
COMMENT ON COLUMN queue.deliveries IS 'The number of messages that are owed to it: fresh, waiting and leased.';
COMMENT ON COLUMN queue.fresh IS 'Those that no worker has looked at yet. More than a few: the workers are behind, or none runs.';
COMMENT ON COLUMN queue.waiting IS 'Those that are due at a time of their own, past or future.';
COMMENT ON COLUMN queue.leased IS 'Those that a worker has.';
COMMENT ON COLUMN queue.first_attempts IS 'Those in queue 0: first attempts, and what was asked for by hand.';
COMMENT ON COLUMN queue.retries IS 'Those in queue 1: retries.';
COMMENT ON COLUMN queue.in_order IS 'Those in queue 2: in order, to a FIFO endpoint.';
COMMENT ON COLUMN queue.behind IS 'Those in queue 3: operational webhooks that wait for an earlier one of their subject.';
COMMENT ON COLUMN queue.past_due IS 'Those whose time has passed. Leased ones among them are of a worker that died.';
COMMENT ON COLUMN queue.due_at IS 'The earliest time at which one that is not leased may be claimed; NULL: all are leased.';
COMMENT ON COLUMN queue.overdue IS 'How long that time has passed; NULL: it has not.';
COMMENT ON COLUMN queue.disabled IS 'The endpoint gets no webhooks: workers drop what is owed to it.';
COMMENT ON COLUMN queue.paused_until IS 'The endpoint keeps failing: no attempt begins before; NULL: not paused.';

CREATE VIEW oldest_due AS
WITH RECURSIVE first_waiting AS (
    -- The first delivery of each queue and endpoint, from one to the next by the index.
    (
        SELECT
            delivery.queue,
            delivery.endpoint_id,
            delivery.due_at
        FROM delivery
        WHERE delivery.state = 'waiting'
        ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
        LIMIT 1
    )
    UNION ALL
    SELECT
        following.queue,
        following.endpoint_id,
        following.due_at
    FROM first_waiting
    CROSS JOIN LATERAL (
        SELECT
            delivery.queue,
            delivery.endpoint_id,
            delivery.due_at
        FROM delivery
        WHERE delivery.state = 'waiting'
            AND (delivery.queue, delivery.endpoint_id) > (first_waiting.queue, first_waiting.endpoint_id)
        ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
        LIMIT 1
    ) AS following
),
oldest AS (
    (
        SELECT DISTINCT ON (first_waiting.queue)
            'waiting' AS state,
            first_waiting.queue,
            first_waiting.endpoint_id,
            first_waiting.due_at
        FROM first_waiting
        ORDER BY first_waiting.queue, first_waiting.due_at, first_waiting.endpoint_id
    )
    UNION ALL
    (
        SELECT
            'fresh' AS state,
            delivery.queue,
            delivery.endpoint_id,
            delivery.due_at
        FROM delivery
        WHERE delivery.state = 'fresh'
        ORDER BY delivery.txid
        LIMIT 1
    )
    UNION ALL
    (
        SELECT
            'leased' AS state,
            delivery.queue,
            delivery.endpoint_id,
            delivery.due_at
        FROM delivery
        WHERE delivery.state = 'leased'
        ORDER BY delivery.due_at
        LIMIT 1
    )
)
SELECT
    oldest.state,
    oldest.queue,
    oldest.endpoint_id,
    oldest.due_at,
    CASE WHEN oldest.due_at < now() THEN now() - oldest.due_at END AS overdue
FROM oldest;

COMMENT ON VIEW oldest_due IS 'The delivery that is due first: among the fresh ones, the leased ones, and the waiting ones of each queue. Reads one index entry for each queue and endpoint for which something waits.';
COMMENT ON COLUMN oldest_due.state IS 'fresh: stored first; waiting: due first; leased: the lease that ends first.';
COMMENT ON COLUMN oldest_due.queue IS 'Its queue: 0: first attempts, and what was asked for by hand; 1: retries; 2: in order, to a FIFO endpoint; 3: waits for an earlier one.';
COMMENT ON COLUMN oldest_due.endpoint_id IS 'The endpoint that it is owed to.';
COMMENT ON COLUMN oldest_due.due_at IS 'When it may be claimed. Of a leased one: when the worker must have ended, or another one gets it.';
COMMENT ON COLUMN oldest_due.overdue IS 'How long that time has passed; NULL: it has not. Seconds are normal under load; minutes mean that workers are missing or the endpoint is slow.';

CREATE VIEW failing_endpoint AS
SELECT
    endpoint.app_id,
    endpoint.id AS endpoint_id,
    regexp_replace(endpoint.url, '^([^:]*:[/\\\t\r\n]*|)[^/\\?#]*@', '\1***@') AS url,
    endpoint.failing_since,
    endpoint.failures,
    endpoint.disabled,
    endpoint.disabled_reason,
    endpoint.paused_until,
    owed.due_at,
    failed.created_at AS failed_at,
    failed.response_status_code,
    failed.response
FROM endpoint
LEFT JOIN LATERAL (
    SELECT min(earliest.due_at) AS due_at
    FROM unnest(ARRAY[0, 1, 2]::smallint[]) AS claimed (queue)
    CROSS JOIN LATERAL (
        SELECT delivery.due_at
        FROM delivery
        WHERE delivery.state = 'waiting'
            AND delivery.queue = claimed.queue
            AND delivery.endpoint_id = endpoint.id
        ORDER BY delivery.due_at
        LIMIT 1
    ) AS earliest
) AS owed ON true
LEFT JOIN LATERAL (
    SELECT
        attempt.created_at,
        attempt.response_status_code,
        left(attempt.response, 200) AS response
    FROM attempt
    WHERE attempt.app_id = endpoint.app_id
        AND attempt.endpoint_id = endpoint.id
        AND attempt.status = 2
    ORDER BY attempt.id DESC
    LIMIT 1
) AS failed ON true
WHERE endpoint.deleted_at IS NULL
    AND (endpoint.failing_since IS NOT NULL OR endpoint.disabled_reason IS NOT NULL);

COMMENT ON VIEW failing_endpoint IS 'Endpoints whose last attempt failed, and those that were disabled for it. Reads all of endpoint, and for each endpoint that it shows an index entry of each partition of attempt.';
COMMENT ON COLUMN failing_endpoint.app_id IS 'The application of the endpoint.';
COMMENT ON COLUMN failing_endpoint.endpoint_id IS 'The endpoint.';
COMMENT ON COLUMN failing_endpoint.url IS 'Where its webhooks go, with *** for a user and password.';
COMMENT ON COLUMN failing_endpoint.failing_since IS 'The first failed attempt since the last that succeeded.';
COMMENT ON COLUMN failing_endpoint.failures IS 'How many attempts in a row have failed.';
COMMENT ON COLUMN failing_endpoint.disabled IS 'It gets no webhooks.';
COMMENT ON COLUMN failing_endpoint.disabled_reason IS 'Why it was disabled by us: gone (it answered 410) or failing (for too long). NULL: it was not.';
COMMENT ON COLUMN failing_endpoint.paused_until IS 'No attempt begins before; NULL: not paused.';
COMMENT ON COLUMN failing_endpoint.due_at IS 'When the next delivery that waits for it is due; NULL: none waits.';
COMMENT ON COLUMN failing_endpoint.failed_at IS 'When its last failed attempt began; NULL: its partition has been dropped.';
COMMENT ON COLUMN failing_endpoint.response_status_code IS 'The HTTP status of that attempt; 0: there was no response.';
COMMENT ON COLUMN failing_endpoint.response IS 'The first 200 characters of the response; without one, why there was none.';

-- migrate:down
DROP VIEW failing_endpoint;
DROP VIEW oldest_due;
DROP VIEW queue;
