-- name: DeliveryRecall :one
-- DeliveryRecall makes workers return the deliveries of an application that they hold and have not started, once the
-- transaction is committed: some may no longer be owed, or have another address.
SELECT pg_notify('postrider_delivery', recalled.app_id)::text
FROM (SELECT @app_id::text AS app_id) AS recalled;

-- name: DeliveryAnnounceAnyTenant :one
-- DeliveryAnnounceAnyTenant notifies workers that deliveries became due: with an empty payload if some are waiting,
-- and with 'fresh' if all are fresh.
SELECT pg_notify('postrider_delivery', CASE WHEN @waiting::boolean THEN '' ELSE 'fresh' END)::text;

-- name: DeliveryListenAnyTenant :exec
-- DeliveryListenAnyTenant subscribes the connection to notifications of due deliveries.
-- @sqlc-vet-disable
LISTEN postrider_delivery;
