-- name: ServerVersionAnyTenant :one
-- ServerVersionAnyTenant returns the server's version as a number: 150018 for 15.18.
SELECT current_setting('server_version_num')::int;

-- name: ConnectionPrepareAnyTenant :one
-- ConnectionPrepareAnyTenant makes a connection's plans the same on empty and on full tables. Plans are cached: one
-- made while delivery is small reads the whole table, which a minute of load fills with dead rows. Every query has an
-- index, which sqlc vet checks. Bitmap scans are for reading many rows in no order: when statistics said that the
-- queue was empty, one was sorted to find the queue's first row. JIT compilation never pays off for statements of a
-- millisecond, nor do parallel workers: to feed them, a list query read and sorted all rows for one page. It also
-- makes Postgres end a transaction whose process froze in the middle, so that nobody waits for its locks until it
-- wakes up, and statements that wait too long for a lock, so that they don't keep connections from others.
SELECT (
    set_config('enable_seqscan', 'off', false)
    || set_config('enable_bitmapscan', 'off', false)
    || set_config('jit', 'off', false)
    || set_config('max_parallel_workers_per_gather', '0', false)
    || set_config('idle_in_transaction_session_timeout', @idle_timeout::text, false)
    || set_config('lock_timeout', @lock_timeout::text, false)
)::text;

-- name: ConnectionLimitAnyTenant :one
-- ConnectionLimitAnyTenant makes Postgres cancel statements of a connection that take longer.
SELECT set_config('statement_timeout', @statement_timeout::text, false)::text;

-- name: MigrateLockAnyTenant :one
-- MigrateLockAnyTenant takes the lock that migrations run under, for as long as the connection lives. It returns
-- false if another process holds it.
SELECT pg_try_advisory_lock(@key::bigint);

-- name: ServerTimeAnyTenant :one
-- ServerTimeAnyTenant returns the time on the server's clock.
SELECT clock_timestamp()::timestamptz;

-- name: ServerSpaceAnyTenant :one
-- ServerSpaceAnyTenant fails on a server without free disk space: it makes Postgres write some 1 MiB to a temporary
-- file, which is not logged, and is removed at its end. A single row may fit where messages do not. The memory that
-- would hold it is reduced for the transaction.
SELECT count(*)::bigint
FROM set_config('work_mem', '64kB', true) AS reduced (work_mem)
CROSS JOIN LATERAL unnest(array_fill(repeat(reduced.work_mem, 2000), ARRAY[128])) AS written (page);
