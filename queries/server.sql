-- name: ServerVersionAnyTenant :one
-- ServerVersionAnyTenant is the server's version as a number: 150018 for 15.18.
SELECT current_setting('server_version_num')::int;

-- name: ConnectionPrepareAnyTenant :one
-- ConnectionPrepareAnyTenant makes the plans of a connection the same on tables that are empty and
-- on tables that are full. Plans are cached: made while delivery is small, one reads the whole table,
-- which a minute of load fills with dead rows. Every query has an index, which sqlc vet sees to.
-- Bitmaps are for reading many rows in no order: where statistics took the queue for empty, one was sorted to find
-- the first row of it. Compiling plans never pays for statements of a millisecond, nor do parallel workers: to feed
-- them, a list of a page was read as a whole and sorted. And it has Postgres end a transaction whose
-- process was frozen in the middle, so that nobody waits for its locks until it wakes up, and statements that wait
-- for a lock for too long, so that they don't keep connections from others.
SELECT (
    set_config('enable_seqscan', 'off', false)
    || set_config('enable_bitmapscan', 'off', false)
    || set_config('jit', 'off', false)
    || set_config('max_parallel_workers_per_gather', '0', false)
    || set_config('idle_in_transaction_session_timeout', @idle_timeout::text, false)
    || set_config('lock_timeout', @lock_timeout::text, false)
)::text;

-- name: ConnectionLimitAnyTenant :one
-- ConnectionLimitAnyTenant has Postgres end statements of a connection that take longer.
SELECT set_config('statement_timeout', @statement_timeout::text, false)::text;

-- name: MigrateLockAnyTenant :one
-- MigrateLockAnyTenant takes the lock that migrations run under, for as long as the connection
-- lives; false: another process has it.
SELECT pg_try_advisory_lock(@key::bigint);

-- name: ServerTimeAnyTenant :one
-- ServerTimeAnyTenant is the time on the server's clock.
SELECT clock_timestamp()::timestamptz;

-- name: ServerSpaceAnyTenant :one
-- ServerSpaceAnyTenant fails on a server that has no space left: it has some 1 MiB written to a temporary file,
-- which is not logged, and gone at its end. A row alone may fit where messages do not. The memory that would hold it
-- is reduced for the transaction.
SELECT count(*)::bigint
FROM set_config('work_mem', '64kB', true) AS reduced (work_mem)
CROSS JOIN LATERAL unnest(array_fill(repeat(reduced.work_mem, 2000), ARRAY[128])) AS written (page);
