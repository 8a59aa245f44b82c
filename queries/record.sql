-- name: DeliveryRecordMany :many
-- DeliveryRecordMany records the results of the attempts of many deliveries: the attempts, what is still owed, and
-- the endpoints' health. It returns the deliveries whose lease was still held, and whether their endpoint must be
-- left alone now; other deliveries belong to another process by now and do not change. Attempts that were recorded
-- before, by a commit whose response was lost, change nothing. An endpoint whose health changes gets a row
-- without a message, which says how: disabled, paused, failing or recovered.
WITH result AS (
    SELECT
        r.app_id, r.attempt_id, r.message_id, r.endpoint_id, r.url, r.status, r.response_status_code, r.response,
        r.duration_ms, r.trigger, r.created_at, r.lease, r.attempts, r.finished, r.next_at, r.gone, r.pause_until
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
held AS MATERIALIZED (
    -- LATERAL with LIMIT 1 makes one probe of the primary key per row, whatever the statistics say. They often say
    -- that the table is empty, and then any other plan reads all of it.
    SELECT owed.tid, result.lease, result.attempts, result.finished, result.next_at
    FROM result
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.lease
        FROM delivery
        WHERE delivery.app_id = result.app_id
            AND delivery.message_id = result.message_id
            AND delivery.endpoint_id = result.endpoint_id
        LIMIT 1
    ) AS owed
    WHERE owed.lease = result.lease
),
finished AS (
    DELETE FROM delivery
    USING held
    WHERE held.finished
        AND delivery.ctid = held.tid
        AND delivery.lease = held.lease -- rechecked on the current row
    RETURNING delivery.message_id, delivery.endpoint_id, delivery.lease
),
rescheduled AS (
    UPDATE delivery
    SET due_at = greatest(held.next_at, @now::timestamptz), -- never earlier: a claim may have looked at what was due then
        attempts = held.attempts,
        queue = CASE WHEN delivery.queue = 2 THEN 2 WHEN held.attempts > 0 THEN 1 ELSE 0 END, -- ordered, first, retry
        state = 'waiting',
        manual = false,
        resume_at = held.next_at
    FROM held
    WHERE NOT held.finished
        AND delivery.ctid = held.tid
        AND delivery.lease = held.lease
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
    -- Only the endpoints whose state changes. SKIP LOCKED, because another worker is recording the same, or a client
    -- is changing the endpoint, and waiting could deadlock. The next attempt repeats what is skipped.
    SELECT
        endpoint.tid, endpoint.id, health.healthy, health.gone,
        CASE WHEN health.healthy THEN 0 ELSE endpoint.failures + health.failures END AS failures,
        CASE WHEN health.healthy THEN NULL ELSE coalesce(endpoint.failing_since, rules.now) END AS failing_since,
        -- An attempt that began before the pause says nothing about the endpoint's state since.
        CASE WHEN health.began_at < endpoint.paused_at THEN endpoint.paused_until END AS paused_until,
        health.pause_until,
        endpoint.failing_since AS was_failing_since,
        endpoint.paused_until AS was_paused_until
    FROM health
    CROSS JOIN rules
    CROSS JOIN LATERAL (
        SELECT
            endpoint.ctid::tid AS tid, endpoint.id, endpoint.failures, endpoint.failing_since, endpoint.paused_at,
            endpoint.paused_until
        FROM endpoint
        WHERE endpoint.app_id = health.app_id
            AND endpoint.id = health.endpoint_id
            AND NOT endpoint.disabled
            AND (
                NOT health.healthy
                OR endpoint.failing_since IS NOT NULL
                OR endpoint.paused_until IS NOT NULL
                OR health.pause_until IS NOT NULL
            )
        LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS endpoint
),
circuit AS (
    -- The circuit opens for a quarter of the time that the endpoint has been failing.
    SELECT
        turned.tid, turned.id, turned.gone, turned.failures, turned.failing_since, rules.now,
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
            AND coalesce(turned.failing_since <= rules.disable_since, false) AS failing_too_long,
        turned.was_failing_since,
        turned.was_paused_until
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
    WHERE endpoint.ctid = circuit.tid
        AND endpoint.id = circuit.id
    RETURNING
        endpoint.id,
        endpoint.disabled OR endpoint.paused_until IS NOT NULL AS resting,
        CASE
            WHEN endpoint.disabled THEN 'disabled'
            WHEN endpoint.paused_until IS NOT NULL AND circuit.was_paused_until IS NULL THEN 'paused'
            WHEN endpoint.failing_since IS NOT NULL AND circuit.was_failing_since IS NULL THEN 'failing'
            WHEN endpoint.failing_since IS NULL AND circuit.was_failing_since IS NOT NULL THEN 'recovered'
            ELSE ''
        END AS health,
        coalesce(endpoint.failing_since, circuit.was_failing_since, circuit.now) AS failing_since,
        coalesce(endpoint.paused_until, '0001-01-01Z') AS paused_until
),
unhurried AS (
    -- This commit need not wait for the disk: if it is lost, its deliveries are made again, and none are missed.
    SELECT set_config('synchronous_commit', 'off', true)
)
SELECT
    recorded.message_id, recorded.endpoint_id, recorded.lease,
    (recorded.endpoint_id IN (SELECT judged.id FROM judged WHERE judged.resting))::boolean AS resting,
    recorded.health::text AS health, recorded.failing_since::timestamptz AS failing_since,
    recorded.paused_until::timestamptz AS paused_until
FROM unhurried
CROSS JOIN (
    SELECT finished.message_id, finished.endpoint_id, finished.lease, '' AS health,
        '0001-01-01Z'::timestamptz AS failing_since, '0001-01-01Z'::timestamptz AS paused_until
    FROM finished
    UNION ALL
    SELECT rescheduled.message_id, rescheduled.endpoint_id, rescheduled.lease, '', '0001-01-01Z', '0001-01-01Z'
    FROM rescheduled
    UNION ALL
    SELECT '', judged.id, 0, judged.health, judged.failing_since, judged.paused_until
    FROM judged
    WHERE judged.health <> ''
) AS recorded
ORDER BY recorded.message_id, recorded.endpoint_id, recorded.lease
LIMIT @max_rows::int;

-- name: DeliveryFinishMany :many
-- DeliveryFinishMany is DeliveryRecordMany for attempts that succeeded at healthy endpoints: there is nothing to
-- judge and nothing to retry. Nearly all attempts are like that.
WITH result AS (
    SELECT
        r.app_id, r.attempt_id, r.message_id, r.endpoint_id, r.url, r.response_status_code, r.response, r.duration_ms,
        r.trigger, r.created_at, r.lease
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
held AS MATERIALIZED (
    -- As in DeliveryRecordMany.
    SELECT owed.tid, result.lease
    FROM result
    CROSS JOIN LATERAL (
        SELECT delivery.ctid::tid AS tid, delivery.lease
        FROM delivery
        WHERE delivery.app_id = result.app_id
            AND delivery.message_id = result.message_id
            AND delivery.endpoint_id = result.endpoint_id
        LIMIT 1
    ) AS owed
    WHERE owed.lease = result.lease
),
finished AS (
    DELETE FROM delivery
    USING held
    WHERE delivery.ctid = held.tid
        AND delivery.lease = held.lease
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
