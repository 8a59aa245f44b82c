-- name: DeliveryOwedListAnyTenant :many
-- DeliveryOwedListAnyTenant goes from queue to queue, kind by kind in the order of their endpoints, with
-- one probe of the index each, however much waits there. It lists those in which something is due, with what the
-- endpoint and the application allow, those that are owed no more, and the last one it looked at. What waits for
-- another delivery is in a queue behind them all, and is not looked at.
WITH RECURSIVE owed AS (
    (
        SELECT delivery.app_id, delivery.endpoint_id, delivery.queue, delivery.due_at, 1 AS n
        FROM delivery
        WHERE (delivery.queue, delivery.endpoint_id) > (@after_queue::smallint, @after_endpoint_id::text)
            AND delivery.queue < 3
        ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
        LIMIT 1
    )
    UNION ALL
    SELECT following.app_id, following.endpoint_id, following.queue, following.due_at, owed.n + 1
    FROM owed
    CROSS JOIN LATERAL (
        SELECT delivery.app_id, delivery.endpoint_id, delivery.queue, delivery.due_at
        FROM delivery
        WHERE (delivery.queue, delivery.endpoint_id) > (owed.queue, owed.endpoint_id)
            AND delivery.queue < 3
        ORDER BY delivery.queue, delivery.endpoint_id, delivery.due_at
        LIMIT 1
    ) AS following
    WHERE owed.n < @max_queues::int
)
SELECT
    owed.app_id::text AS app_id,
    owed.endpoint_id::text AS endpoint_id,
    owed.queue::smallint AS queue,
    owed.due_at::timestamptz AS due_at,
    owed.n::int AS n,
    coalesce(endpoint.throttle_rate, 0)::int AS throttle_rate,
    endpoint.throttled_until,
    endpoint.paused_until,
    coalesce(application.throttle_rate, 0)::int AS app_throttle_rate,
    application.throttled_until AS app_throttled_until,
    (endpoint.disabled OR endpoint.deleted_at IS NOT NULL)::boolean AS gone
FROM owed
JOIN application ON application.id = owed.app_id
JOIN endpoint ON endpoint.app_id = owed.app_id
    AND endpoint.id = owed.endpoint_id
WHERE owed.due_at <= @now::timestamptz
    OR owed.n = @max_queues::int
    OR endpoint.disabled
ORDER BY owed.queue, owed.endpoint_id
LIMIT @max_queues::int;

-- name: DeliveryClaimManyAnyTenant :many
-- DeliveryClaimManyAnyTenant leases due deliveries of the given queues, at most so many of each. A row
-- without a lease cannot be sent: its payload is gone, or its endpoint was disabled or deleted just now.
-- Of a queue in order it takes the first delivery alone, and nothing while that is leased or waits to be
-- tried again.
WITH queue AS (
    SELECT *
    FROM unnest(@endpoint_ids::text[], @queues::smallint[], @limits::int[]) AS q(endpoint_id, queue, most)
),
first_in_order AS (
    -- Without a lock, which would be of the next one where another worker has this one locked.
    SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
    FROM queue
    CROSS JOIN LATERAL (
        SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
        FROM delivery
        WHERE delivery.endpoint_id = queue.endpoint_id
            AND delivery.queue = 2
        ORDER BY delivery.seq
        LIMIT 1
    ) AS delivery
    WHERE queue.queue = 2
),
due_in_order AS MATERIALIZED (
    SELECT candidate.app_id, candidate.message_id, candidate.endpoint_id
    FROM first_in_order
    CROSS JOIN LATERAL (
        SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
        FROM delivery
        WHERE delivery.app_id = first_in_order.app_id
            AND delivery.message_id = first_in_order.message_id
            AND delivery.endpoint_id = first_in_order.endpoint_id
            AND delivery.due_at <= @now::timestamptz
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS candidate
),
due AS MATERIALIZED (
    -- SKIP LOCKED: another worker is claiming those at this moment.
    SELECT candidate.app_id, candidate.message_id, candidate.endpoint_id, queue.queue
    FROM queue
    CROSS JOIN LATERAL (
        SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
        FROM delivery
        WHERE delivery.endpoint_id = queue.endpoint_id
            AND delivery.queue = queue.queue
            AND delivery.due_at <= @now::timestamptz
        ORDER BY delivery.due_at
        LIMIT queue.most
        FOR UPDATE SKIP LOCKED
    ) AS candidate
    WHERE queue.queue <> 2
    LIMIT @room::int
),
taken AS MATERIALIZED (
    SELECT due.app_id, due.message_id, due.endpoint_id, due.queue FROM due
    UNION ALL
    SELECT due_in_order.app_id, due_in_order.message_id, due_in_order.endpoint_id, 2::smallint FROM due_in_order
),
wanted AS MATERIALIZED (
    SELECT
        taken.app_id, taken.message_id, taken.endpoint_id,
        endpoint.url, endpoint.secret, endpoint.headers, endpoint.old_secrets, endpoint.old_secrets_expire_at,
        endpoint.failing_since, message.payload, message.content_type, message.traceparent
    FROM taken
    JOIN endpoint ON endpoint.app_id = taken.app_id
        AND endpoint.id = taken.endpoint_id
        AND endpoint.deleted_at IS NULL
        AND NOT endpoint.disabled
    JOIN message ON message.app_id = taken.app_id
        AND message.id = taken.message_id
        AND message.payload IS NOT NULL
        AND message.expires_at > @now::timestamptz
),
leased AS (
    UPDATE delivery
    SET due_at = @leased_until::timestamptz,
        lease = delivery.lease + 1
    FROM wanted
    WHERE delivery.app_id = wanted.app_id
        AND delivery.message_id = wanted.message_id
        AND delivery.endpoint_id = wanted.endpoint_id
    RETURNING
        delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.lease, delivery.attempts,
        delivery.manual, delivery.resume_at, delivery.subject,
        wanted.url, wanted.secret, wanted.headers, wanted.old_secrets, wanted.old_secrets_expire_at,
        wanted.failing_since, wanted.payload, wanted.content_type, wanted.traceparent
)
SELECT
    taken.app_id::text AS app_id,
    taken.message_id::text AS message_id,
    taken.endpoint_id::text AS endpoint_id,
    taken.queue::smallint AS queue,
    coalesce(leased.lease, 0)::bigint AS lease,
    coalesce(leased.attempts, 0)::smallint AS attempts,
    coalesce(leased.url, '')::text AS url,
    leased.secret,
    leased.headers,
    leased.old_secrets,
    leased.old_secrets_expire_at,
    coalesce(leased.payload, '')::text AS payload,
    leased.content_type,
    leased.traceparent,
    coalesce(leased.manual, false)::boolean AS manual,
    leased.resume_at,
    coalesce(leased.subject, '')::text AS subject,
    (leased.failing_since IS NOT NULL)::boolean AS failing
FROM taken
LEFT JOIN leased ON leased.app_id = taken.app_id
    AND leased.message_id = taken.message_id
    AND leased.endpoint_id = taken.endpoint_id
ORDER BY taken.message_id, taken.endpoint_id
LIMIT @max_rows::int;

-- name: DeliveryDropManyAnyTenant :many
-- DeliveryDropManyAnyTenant drops what is owed to endpoints that get nothing any more, a bounded number
-- of deliveries of each, and returns how many that were.
WITH dropped AS (
    DELETE FROM delivery
    WHERE (delivery.app_id, delivery.message_id, delivery.endpoint_id) IN (
        SELECT doomed.app_id, doomed.message_id, doomed.endpoint_id
        FROM unnest(@endpoint_ids::text[]) AS gone(endpoint_id)
        CROSS JOIN LATERAL (
            SELECT delivery.app_id, delivery.message_id, delivery.endpoint_id
            FROM delivery
            JOIN endpoint ON endpoint.app_id = delivery.app_id
                AND endpoint.id = delivery.endpoint_id
                AND (endpoint.disabled OR endpoint.deleted_at IS NOT NULL)
            WHERE delivery.queue = ANY ('{0, 1, 2, 3}')
                AND delivery.endpoint_id = gone.endpoint_id
            LIMIT @max_each::int
            FOR UPDATE OF delivery SKIP LOCKED
        ) AS doomed
    )
    RETURNING delivery.app_id, delivery.endpoint_id
)
SELECT dropped.app_id, dropped.endpoint_id, count(*) AS deliveries
FROM dropped
GROUP BY dropped.app_id, dropped.endpoint_id
ORDER BY dropped.app_id, dropped.endpoint_id
LIMIT cardinality(@endpoint_ids::text[]);

-- name: DeliveryDropUnsendableManyAnyTenant :many
-- DeliveryDropUnsendableManyAnyTenant drops those of the given due deliveries whose payload was expunged,
-- expired, or went with its message, and returns them with their latest attempts.
WITH unsendable AS MATERIALIZED (
    -- LATERAL with LIMIT 1: one probe of an index for each, whatever the statistics say.
    SELECT
        owed.app_id, owed.message_id, owed.endpoint_id, owed.attempts, owed.manual, owed.resume_at,
        coalesce(owed.subject, '') AS subject,
        content.kept AS expired
    FROM unnest(@app_ids::text[], @message_ids::text[], @endpoint_ids::text[])
        AS named(app_id, message_id, endpoint_id)
    CROSS JOIN LATERAL (
        -- SKIP LOCKED: another worker is dropping it.
        SELECT
            delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.attempts, delivery.manual,
            delivery.resume_at, delivery.subject
        FROM delivery
        WHERE delivery.app_id = named.app_id
            AND delivery.message_id = named.message_id
            AND delivery.endpoint_id = named.endpoint_id
            AND delivery.due_at <= @now::timestamptz
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
    WHERE (delivery.app_id, delivery.message_id, delivery.endpoint_id) IN (
        SELECT unsendable.app_id, unsendable.message_id, unsendable.endpoint_id
        FROM unsendable
    )
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

-- name: EndpointPaceLockManyAnyTenant :many
-- EndpointPaceLockManyAnyTenant reads how far endpoints have used up what they may be sent, and keeps
-- others from claiming for them until the transaction ends. Those that another worker is claiming for at
-- this moment are left out.
SELECT
    endpoint.app_id, endpoint.id, coalesce(endpoint.throttle_rate, 0)::int AS throttle_rate,
    endpoint.throttled_until, endpoint.paused_until
FROM unnest(@app_ids::text[], @endpoint_ids::text[]) AS wanted(app_id, id)
JOIN endpoint ON endpoint.app_id = wanted.app_id
    AND endpoint.id = wanted.id
ORDER BY endpoint.app_id, endpoint.id
LIMIT cardinality(@endpoint_ids::text[])
FOR NO KEY UPDATE OF endpoint SKIP LOCKED;

-- name: ApplicationPaceLockManyAnyTenant :many
-- ApplicationPaceLockManyAnyTenant is EndpointPaceLockManyAnyTenant for applications.
SELECT application.id, coalesce(application.throttle_rate, 0)::int AS throttle_rate, application.throttled_until
FROM application
WHERE application.id = ANY (@ids::text[])
ORDER BY application.id
LIMIT cardinality(@ids::text[])
FOR NO KEY UPDATE OF application SKIP LOCKED;

-- name: EndpointPaceUpdateManyAnyTenant :execrows
-- EndpointPaceUpdateManyAnyTenant writes down what a claim used up. An endpoint that is being probed is
-- paused until the probe's lease ends. The first instant of the first year stands for none.
UPDATE endpoint
SET throttled_until = nullif(pace.throttled_until, '0001-01-01Z'),
    paused_until = nullif(pace.paused_until, '0001-01-01Z')
FROM unnest(@app_ids::text[], @endpoint_ids::text[], @throttled_untils::timestamptz[], @paused_untils::timestamptz[])
    AS pace(app_id, id, throttled_until, paused_until)
WHERE endpoint.app_id = pace.app_id
    AND endpoint.id = pace.id;

-- name: ApplicationPaceUpdateManyAnyTenant :execrows
-- ApplicationPaceUpdateManyAnyTenant is EndpointPaceUpdateManyAnyTenant for applications.
UPDATE application
SET throttled_until = pace.throttled_until
FROM unnest(@ids::text[], @throttled_untils::timestamptz[]) AS pace(id, throttled_until)
WHERE application.id = pace.id;

-- name: DeliveryRecordMany :many
-- DeliveryRecordMany writes down what came of the attempts of many deliveries: the attempts, what is
-- still owed, the endpoints' health. It returns the deliveries whose lease still held, and whether
-- their endpoint is to be left alone now; another is somebody else's by now and left alone. Attempts
-- that were written down before, by a commit whose answer got lost, change nothing. An endpoint that is
-- disabled by it has a row without a message.
WITH result AS (
    SELECT *
    FROM unnest(
        @app_ids::text[],
        @attempt_ids::text[],
        @message_ids::text[],
        @endpoint_ids::text[],
        @urls::text[],
        @statuses::smallint[],
        @response_status_codes::smallint[],
        @responses::text[],
        @durations_ms::bigint[],
        @triggers::smallint[],
        @created_ats::timestamptz[],
        @leases::bigint[],
        @attempts::smallint[],
        @finished::boolean[],
        @next_ats::timestamptz[],
        @gone::boolean[],
        @pause_untils::timestamptz[]
    ) AS r(
        app_id, attempt_id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms,
        trigger, created_at, lease, attempts, finished, next_at, gone, pause_until
    )
),
attempted AS (
    INSERT INTO attempt (
        app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger,
        created_at
    )
    SELECT
        app_id, attempt_id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms,
        trigger, created_at
    FROM result
    ON CONFLICT (app_id, message_id, id) DO NOTHING
),
finished AS (
    DELETE FROM delivery
    WHERE (delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.lease) IN (
        SELECT result.app_id, result.message_id, result.endpoint_id, result.lease
        FROM result
        WHERE result.finished
    )
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
rescheduled AS (
    UPDATE delivery
    SET due_at = result.next_at,
        attempts = result.attempts,
        queue = CASE WHEN delivery.queue = 2 THEN 2 WHEN result.attempts > 0 THEN 1 ELSE 0 END,
        manual = false,
        resume_at = result.next_at -- tells the lists that it waits, and is not leased
    FROM result
    WHERE NOT result.finished
        AND delivery.app_id = result.app_id
        AND delivery.message_id = result.message_id
        AND delivery.endpoint_id = result.endpoint_id
        AND delivery.lease = result.lease
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
rules AS (
    SELECT
        @now::timestamptz AS now,
        @pause_least::timestamptz AS pause_least,
        @pause_most::timestamptz AS pause_most,
        @circuit_failures::int AS circuit_failures,
        @disable_failures::int AS disable_failures,
        @disable_since::timestamptz AS disable_since
),
health AS (
    SELECT
        result.app_id, result.endpoint_id,
        bool_or(result.status = 0) AS healthy,
        bool_or(result.gone) AS gone,
        count(*) FILTER (WHERE result.status <> 0) AS failures,
        max(result.created_at) AS began_at,
        nullif(max(result.pause_until), '0001-01-01Z') AS pause_until
    FROM result
    GROUP BY result.app_id, result.endpoint_id
),
turned AS (
    -- Only the endpoints whose state changes. SKIP LOCKED: another worker is writing the same down, or
    -- a client is changing the endpoint, and waiting could be a deadlock. What is left out the next
    -- attempt tells again.
    SELECT
        endpoint.app_id, endpoint.id, health.healthy, health.gone,
        CASE WHEN health.healthy THEN 0 ELSE endpoint.failures + health.failures END AS failures,
        CASE WHEN health.healthy THEN NULL ELSE coalesce(endpoint.failing_since, rules.now) END AS failing_since,
        -- An attempt that began before the pause says nothing about how things are since.
        CASE WHEN health.began_at < endpoint.paused_at THEN endpoint.paused_until END AS paused_until,
        health.pause_until
    FROM health
    CROSS JOIN rules
    JOIN endpoint ON endpoint.app_id = health.app_id
        AND endpoint.id = health.endpoint_id
        AND NOT endpoint.disabled
        AND (
            NOT health.healthy
            OR endpoint.failing_since IS NOT NULL
            OR endpoint.paused_until IS NOT NULL
            OR health.pause_until IS NOT NULL
        )
    FOR NO KEY UPDATE OF endpoint SKIP LOCKED
),
circuit AS (
    -- It opens for a quarter of the time that the endpoint has been failing.
    SELECT
        turned.app_id, turned.id, turned.gone, turned.failures, turned.failing_since, rules.now,
        greatest(
            turned.paused_until,
            turned.pause_until,
            CASE
                WHEN turned.failures >= rules.circuit_failures
                THEN least(
                    greatest(rules.now + (rules.now - turned.failing_since) / 4, rules.pause_least),
                    rules.pause_most
                )
            END
        ) AS paused_until,
        turned.failures >= rules.disable_failures
            AND coalesce(turned.failing_since <= rules.disable_since, false) AS failing_too_long
    FROM turned
    CROSS JOIN rules
),
judged AS (
    UPDATE endpoint
    SET failures = circuit.failures,
        failing_since = circuit.failing_since,
        paused_until = circuit.paused_until,
        paused_at = CASE
            WHEN circuit.paused_until IS NULL THEN NULL
            WHEN circuit.paused_until = endpoint.paused_until THEN endpoint.paused_at
            ELSE circuit.now
        END,
        disabled = circuit.gone OR circuit.failing_too_long,
        disabled_reason = CASE WHEN circuit.gone THEN 'gone' WHEN circuit.failing_too_long THEN 'failing' END,
        updated_at = CASE WHEN circuit.gone OR circuit.failing_too_long THEN circuit.now ELSE endpoint.updated_at END
    FROM circuit
    WHERE endpoint.app_id = circuit.app_id
        AND endpoint.id = circuit.id
    RETURNING endpoint.id, endpoint.disabled, endpoint.disabled OR endpoint.paused_until IS NOT NULL AS resting
),
unhurried AS (
    -- This commit need not wait for the disk: lost, its deliveries are made once more, never missed.
    SELECT set_config('synchronous_commit', 'off', true)
)
SELECT
    held.message_id, held.endpoint_id, held.lease,
    (held.endpoint_id IN (SELECT judged.id FROM judged WHERE judged.resting))::boolean AS resting
FROM unhurried
CROSS JOIN (
    SELECT * FROM finished
    UNION ALL
    SELECT * FROM rescheduled
    UNION ALL
    SELECT '', judged.id, 0 FROM judged WHERE judged.disabled
) AS held
ORDER BY held.message_id, held.endpoint_id, held.lease
LIMIT @max_rows::int;

-- name: DeliveryFinishMany :many
-- DeliveryFinishMany is DeliveryRecordMany for attempts that succeeded at endpoints that were well: there
-- is nothing to judge and nothing to do again, and nearly all attempts are such.
WITH result AS (
    SELECT *
    FROM unnest(
        @app_ids::text[],
        @attempt_ids::text[],
        @message_ids::text[],
        @endpoint_ids::text[],
        @urls::text[],
        @response_status_codes::smallint[],
        @responses::text[],
        @durations_ms::bigint[],
        @triggers::smallint[],
        @created_ats::timestamptz[],
        @leases::bigint[]
    ) AS r(
        app_id, attempt_id, message_id, endpoint_id, url, response_status_code, response, duration_ms, trigger,
        created_at, lease
    )
),
attempted AS (
    INSERT INTO attempt (
        app_id, id, message_id, endpoint_id, url, status, response_status_code, response, duration_ms, trigger,
        created_at
    )
    SELECT
        app_id, attempt_id, message_id, endpoint_id, url, 0, response_status_code, response, duration_ms, trigger,
        created_at
    FROM result
    ON CONFLICT (app_id, message_id, id) DO NOTHING
),
finished AS (
    DELETE FROM delivery
    WHERE (delivery.app_id, delivery.message_id, delivery.endpoint_id, delivery.lease) IN (
        SELECT result.app_id, result.message_id, result.endpoint_id, result.lease
        FROM result
    )
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
unhurried AS (
    -- As in DeliveryRecordMany.
    SELECT set_config('synchronous_commit', 'off', true)
)
SELECT finished.message_id, finished.endpoint_id, finished.lease
FROM unhurried
CROSS JOIN finished
ORDER BY finished.message_id, finished.endpoint_id, finished.lease
LIMIT cardinality(@attempt_ids::text[]);

-- name: DeliveryReleaseMany :execrows
-- DeliveryReleaseMany makes deliveries due at once whose lease this process still holds.
UPDATE delivery
SET due_at = @now::timestamptz
FROM unnest(@app_ids::text[], @message_ids::text[], @endpoint_ids::text[], @leases::bigint[])
    AS held(app_id, message_id, endpoint_id, lease)
WHERE delivery.app_id = held.app_id
    AND delivery.message_id = held.message_id
    AND delivery.endpoint_id = held.endpoint_id
    AND delivery.lease = held.lease;

-- name: DeliveryPostponeMany :one
-- DeliveryPostponeMany gives back leases of deliveries whose attempt could not be made through no fault of
-- their endpoint, each until a time of its own, and counts those that were still held. Nothing else about
-- the delivery changes. An endpoint that was waiting for this attempt to probe it may be probed again then.
WITH postponed AS (
    UPDATE delivery
    SET due_at = held.due_at,
        resume_at = CASE WHEN delivery.manual THEN delivery.resume_at ELSE held.due_at END
    FROM unnest(
        @app_ids::text[],
        @message_ids::text[],
        @endpoint_ids::text[],
        @leases::bigint[],
        @leased_untils::timestamptz[],
        @due_ats::timestamptz[]
    ) AS held(app_id, message_id, endpoint_id, lease, leased_until, due_at)
    WHERE delivery.app_id = held.app_id
        AND delivery.message_id = held.message_id
        AND delivery.endpoint_id = held.endpoint_id
        AND delivery.lease = held.lease
    RETURNING delivery.app_id, delivery.endpoint_id, held.leased_until, held.due_at
),
probed AS (
    -- A claim that probes an endpoint pauses it until the lease ends. SKIP LOCKED as in DeliveryRecordMany:
    -- what is left out is probed a lease later.
    SELECT endpoint.app_id, endpoint.id, postponed.due_at
    FROM postponed
    JOIN endpoint ON endpoint.app_id = postponed.app_id
        AND endpoint.id = postponed.endpoint_id
        AND endpoint.paused_until = postponed.leased_until
    FOR NO KEY UPDATE OF endpoint SKIP LOCKED
),
resumed AS (
    UPDATE endpoint
    SET paused_until = probed.due_at
    FROM probed
    WHERE endpoint.app_id = probed.app_id
        AND endpoint.id = probed.id
)
SELECT count(*)
FROM postponed;

-- name: DeliveryRecall :one
-- DeliveryRecall has workers give back what they hold of an application's deliveries and have not begun,
-- once the transaction is committed: some of it may be owed no more, or to another address.
SELECT pg_notify('postrider_delivery', recalled.app_id)::text
FROM (SELECT @app_id::text AS app_id) AS recalled;

-- name: DeliveryInsert :execrows
-- DeliveryInsert makes a delivery that is due now; no row: the message is owed to the endpoint already.
INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue)
SELECT
    endpoint.app_id, @message_id::text, endpoint.id, @now::timestamptz, 0,
    CASE WHEN endpoint.fifo THEN 2 ELSE 0 END
FROM endpoint
CROSS JOIN pg_notify('postrider_delivery', '')
WHERE endpoint.app_id = @app_id::text
    AND endpoint.id = @endpoint_id::text
ON CONFLICT (app_id, message_id, endpoint_id) DO NOTHING;

-- name: DeliveryResend :execrows
-- DeliveryResend makes a delivery due now, for one attempt. If the message is owed to the endpoint
-- already, that attempt comes first, and the schedule goes on behind it. An attempt under way loses its
-- lease: were it to end the delivery, the one that was asked for would never be made. At a FIFO
-- endpoint it has to wait its turn.
INSERT INTO delivery AS owed (app_id, message_id, endpoint_id, due_at, lease, manual, queue)
SELECT
    endpoint.app_id, @message_id::text, endpoint.id, @now::timestamptz, 0, true,
    CASE WHEN endpoint.fifo THEN 2 ELSE 0 END
FROM endpoint
CROSS JOIN pg_notify('postrider_delivery', '')
WHERE endpoint.app_id = @app_id::text
    AND endpoint.id = @endpoint_id::text
ON CONFLICT (app_id, message_id, endpoint_id) DO UPDATE
SET due_at = excluded.due_at,
    lease = owed.lease + 1,
    manual = true,
    queue = CASE WHEN owed.queue = 2 THEN 2 ELSE 0 END,
    resume_at = CASE WHEN owed.manual THEN owed.resume_at ELSE greatest(owed.due_at, excluded.due_at) END;

-- name: DeliveryCount :one
-- DeliveryCount counts what is owed to an endpoint of the messages of a time: not attempted yet, and
-- to be tried again.
SELECT
    count(*) FILTER (WHERE delivery.attempts = 0) AS pending,
    count(*) FILTER (WHERE delivery.attempts > 0) AS sending
FROM delivery
WHERE delivery.app_id = @app_id
    AND delivery.queue = ANY ('{0, 1, 2, 3}') -- all of them, by the index
    AND delivery.endpoint_id = @endpoint_id
    AND delivery.message_id > @after::text
    AND delivery.message_id < @before::text;

-- name: DeliveryDueMany :many
-- DeliveryDueMany tells of messages that are owed to an endpoint when they are due, and of which that is the end
-- of a lease. One that waits has no more claims than failed attempts, unless a lease was lost; then resume_at says
-- so, which an earlier release may have left NULL.
SELECT
    owed.message_id,
    owed.due_at,
    (owed.lease > owed.attempts AND owed.due_at IS DISTINCT FROM owed.resume_at)::boolean AS leased
FROM unnest(@message_ids::text[]) AS wanted(message_id)
CROSS JOIN LATERAL (
    -- LIMIT: a look-up for each, where a join might read all that is owed to the endpoint.
    SELECT delivery.message_id, delivery.due_at, delivery.lease, delivery.attempts, delivery.resume_at
    FROM delivery
    WHERE delivery.app_id = @app_id
        AND delivery.endpoint_id = @endpoint_id
        AND delivery.message_id = wanted.message_id
    LIMIT 1
) AS owed
ORDER BY owed.message_id
LIMIT cardinality(@message_ids::text[]);
