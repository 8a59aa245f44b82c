-- name: PartitionCreateAnyTenant :one
-- PartitionCreateAnyTenant creates one partition. It returns false if it already exists.
SELECT partition_create(@parent::text, @suffix::text, @lower_id::text, @upper_id::text)::boolean;

-- name: PartitionMessageCaughtAnyTenant :one
-- PartitionMessageCaughtAnyTenant returns the least id in the default partition of message, or ''.
SELECT coalesce(min(id), '')::text
FROM message_default;

-- name: PartitionAttemptCaughtAnyTenant :one
-- PartitionAttemptCaughtAnyTenant returns the least id in the default partition of attempt, or ''.
SELECT coalesce(min(id), '')::text
FROM attempt_default;

-- name: PartitionStatisticsLockAnyTenant :one
-- PartitionStatisticsLockAnyTenant lets one process at a time gather statistics, until its transaction ends, and
-- limits its lock waits to a short time. It returns false if another process is gathering statistics.
SELECT (
    pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' statistics', 0))
    AND set_config('lock_timeout', '2s', true) <> ''
)::boolean;

-- name: PartitionStatisticsGetAnyTenant :one
-- PartitionStatisticsGetAnyTenant returns when statistics of the partitioned tables were last gathered, or the first
-- instant of the year 1 if they never were.
SELECT
    coalesce(pg_stat_get_last_analyze_time('message'::regclass), '0001-01-01Z')::timestamptz AS message_at,
    coalesce(pg_stat_get_last_analyze_time('attempt'::regclass), '0001-01-01Z')::timestamptz AS attempt_at;

-- name: PartitionAnalyzeAnyTenant :one
-- PartitionAnalyzeAnyTenant gathers statistics of message or attempt, and of its partitions.
SELECT partition_analyze(@parent::text)::boolean;
