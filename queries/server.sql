-- name: ServerVersionAnyTenant :one
-- ServerVersionAnyTenant is the server's version as a number: 150018 for 15.18.
SELECT current_setting('server_version_num')::int;

-- name: MigrateLockAnyTenant :one
-- MigrateLockAnyTenant takes the lock that migrations run under, for as long as the connection
-- lives; false: another process has it.
SELECT pg_try_advisory_lock(@key::bigint);

-- name: DeliveryListenAnyTenant :exec
-- DeliveryListenAnyTenant makes the connection hear when deliveries become due.
-- @sqlc-vet-disable
LISTEN postrider_delivery;
