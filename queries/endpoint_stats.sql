-- name: AttemptCountMany :many
-- AttemptCountMany counts attempts at an endpoint with ids between two ids, in id order, up to max_rows. It returns a
-- running count at every each-th attempt and at the last one.
SELECT
    counted.id,
    counted.n::bigint AS n,
    counted.succeeded::bigint AS succeeded
FROM (
    SELECT
        looked.id,
        row_number() OVER running AS n,
        count(*) FILTER (WHERE looked.status = 0) OVER running AS succeeded,
        lead(looked.id) OVER running IS NULL AS last
    FROM (
        -- Two index ranges are merged, each read only as far as the counted attempts go.
        SELECT one.id, one.status
        FROM (
            (
                SELECT attempt.id, attempt.status
                FROM attempt
                WHERE attempt.app_id = @app_id
                    AND attempt.endpoint_id = @endpoint_id
                    AND attempt.status = 0
                    AND attempt.id > @after::text
                    AND attempt.id < @before::text
                ORDER BY attempt.id
                LIMIT (SELECT @max_rows::int) -- hidden, as in MessageListDescending
            )
            UNION ALL
            (
                SELECT attempt.id, attempt.status
                FROM attempt
                WHERE attempt.app_id = @app_id
                    AND attempt.endpoint_id = @endpoint_id
                    AND attempt.status = 2
                    AND attempt.id > @after::text
                    AND attempt.id < @before::text
                ORDER BY attempt.id
                LIMIT (SELECT @max_rows::int) -- hidden, as in MessageListDescending
            )
        ) AS one
        ORDER BY one.id
        LIMIT @max_rows::int
    ) AS looked
    WINDOW running AS (ORDER BY looked.id ROWS UNBOUNDED PRECEDING)
) AS counted
WHERE counted.n % @each::bigint = 0
    OR counted.last
ORDER BY counted.id
LIMIT @max_rows::int;

-- name: AttemptCountKeptMany :many
-- AttemptCountKeptMany finds, in each of the given partitions, the last stored count of an endpoint after one id and
-- not after another. It returns no row for a partition that does not exist, and one with an empty until_id if no
-- count is stored.
SELECT
    wanted.n::int AS n,
    part.number::bigint AS partition_oid,
    coalesce(kept.until_id, '')::text AS until_id,
    coalesce(kept.succeeded, 0)::bigint AS succeeded,
    coalesce(kept.failed, 0)::bigint AS failed
FROM unnest(@ns::int[], @partitions::text[], @after_ids::text[], @until_ids::text[])
    AS wanted(n, part_name, after_id, until_id)
CROSS JOIN LATERAL (
    -- Not every table of that name: a detached one holds no attempts.
    SELECT to_regclass(quote_ident(wanted.part_name))::oid::bigint AS number
    WHERE pg_partition_root(to_regclass(quote_ident(wanted.part_name))) = to_regclass('attempt')
) AS part
LEFT JOIN LATERAL (
    SELECT attempt_count.until_id, attempt_count.succeeded, attempt_count.failed
    FROM attempt_count
    WHERE attempt_count.app_id = @app_id
        AND attempt_count.endpoint_id = @endpoint_id
        AND attempt_count.partition_oid = part.number
        AND attempt_count.until_id > wanted.after_id
        AND attempt_count.until_id <= wanted.until_id
    ORDER BY attempt_count.until_id DESC
    LIMIT 1
) AS kept ON true
ORDER BY wanted.n
LIMIT cardinality(@ns::int[]);

-- name: AttemptCountInsertMany :execrows
-- AttemptCountInsertMany stores counts of an endpoint's attempts. Counts that are already stored are the same.
INSERT INTO attempt_count (app_id, endpoint_id, partition_oid, until_id, succeeded, failed)
SELECT @app_id, @endpoint_id, @partition_oid::bigint, counted.until_id, counted.succeeded, counted.failed
FROM unnest(@until_ids::text[], @succeeded::bigint[], @failed::bigint[]) AS counted(until_id, succeeded, failed)
ON CONFLICT (app_id, endpoint_id, partition_oid, until_id) DO NOTHING;

-- name: AttemptCountTryLock :one
-- AttemptCountTryLock prevents others from storing an endpoint's counts and from recording late attempts at it, until
-- the transaction ends. It returns false if another transaction is doing one of them.
SELECT pg_try_advisory_xact_lock(
    hashtextextended(format('%s attempt_count %s', current_schema(), tenant.endpoint_id), 0)
)::boolean
FROM (SELECT @app_id::text AS app_id, @endpoint_id::text AS endpoint_id) AS tenant;

-- name: AttemptCountLock :one
-- AttemptCountLock is like AttemptCountTryLock, but waits.
SELECT pg_advisory_xact_lock(
    hashtextextended(format('%s attempt_count %s', current_schema(), tenant.endpoint_id), 0)
)::text
FROM (SELECT @app_id::text AS app_id, @endpoint_id::text AS endpoint_id) AS tenant;

-- name: AttemptCountDelete :execrows
-- AttemptCountDelete deletes the counts of an endpoint that an attempt in a partition changes: those from its id to
-- the end of its day.
WITH doomed AS MATERIALIZED (
    SELECT kept.tid
    FROM (
        SELECT to_regclass(quote_ident(@partition::text))::oid::bigint AS number
        WHERE pg_partition_root(to_regclass(quote_ident(@partition::text))) = to_regclass('attempt')
    ) AS part
    CROSS JOIN LATERAL (
        SELECT attempt_count.ctid::tid AS tid
        FROM attempt_count
        WHERE attempt_count.app_id = @app_id
            AND attempt_count.endpoint_id = @endpoint_id
            AND attempt_count.partition_oid = part.number
            AND attempt_count.until_id >= @from_id::text
            AND attempt_count.until_id <= @until_id::text
        ORDER BY attempt_count.until_id -- in index order
        FOR UPDATE
    ) AS kept
)
DELETE FROM attempt_count
USING doomed
WHERE attempt_count.ctid = doomed.tid;

-- name: AttemptCountDeleteManyAnyTenant :execrows
-- AttemptCountDeleteManyAnyTenant deletes counts of attempts before an id from some pages of the table.
DELETE FROM attempt_count
WHERE ctid = ANY (ARRAY(
    -- SKIP LOCKED, because the transaction that records a late attempt is deleting it.
    SELECT attempt_count.ctid
    FROM attempt_count
    WHERE attempt_count.ctid >= format('(%s,0)', @from_page::bigint)::tid
        AND attempt_count.ctid < format('(%s,0)', @to_page::bigint)::tid
        AND attempt_count.until_id < @before_id::text
    FOR UPDATE SKIP LOCKED
));

-- name: DeliveryCount :one
-- DeliveryCount counts the deliveries owed to an endpoint for messages of a period: those not attempted yet, and
-- those waiting for a retry.
SELECT
    count(*) FILTER (WHERE delivery.attempts = 0) AS pending,
    count(*) FILTER (WHERE delivery.attempts > 0) AS sending
FROM delivery
WHERE delivery.app_id = @app_id
    AND delivery.endpoint_id = @endpoint_id
    AND delivery.message_id > @after::text
    AND delivery.message_id < @before::text;
