-- name: PartitionCreateAnyTenant :one
-- PartitionCreateAnyTenant makes one partition; false: it is there already.
SELECT partition_create(@parent::text, @suffix::text, @lower_id::text, @upper_id::text)::boolean;

-- name: PartitionMessageCaughtAnyTenant :one
-- PartitionMessageCaughtAnyTenant is the least id that the default partition of message caught, or ''.
SELECT coalesce(min(id), '')::text
FROM message_default;

-- name: PartitionAttemptCaughtAnyTenant :one
-- PartitionAttemptCaughtAnyTenant is the least id that the default partition of attempt caught, or ''.
SELECT coalesce(min(id), '')::text
FROM attempt_default;

-- name: PartitionStatisticsLockAnyTenant :one
-- PartitionStatisticsLockAnyTenant lets one process at a time gather statistics, until its transaction ends, and
-- has it wait for no lock for long; false: another process does it.
SELECT (
    pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' statistics', 0))
    AND set_config('lock_timeout', '2s', true) <> ''
)::boolean;

-- name: PartitionStatisticsGetAnyTenant :one
-- PartitionStatisticsGetAnyTenant is when statistics of the partitioned tables were gathered; the first instant of
-- the first year: never.
SELECT
    coalesce(pg_stat_get_last_analyze_time('message'::regclass), '0001-01-01Z')::timestamptz AS message_at,
    coalesce(pg_stat_get_last_analyze_time('attempt'::regclass), '0001-01-01Z')::timestamptz AS attempt_at;

-- name: PartitionMessageAnalyzeAnyTenant :exec
-- PartitionMessageAnalyzeAnyTenant gathers statistics of message and its partitions.
-- @sqlc-vet-disable
ANALYZE message;

-- name: PartitionAttemptAnalyzeAnyTenant :exec
-- PartitionAttemptAnalyzeAnyTenant gathers statistics of attempt and its partitions.
-- @sqlc-vet-disable
ANALYZE attempt;
