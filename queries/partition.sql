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
