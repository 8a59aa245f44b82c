-- name: DeliveryRecall :one
-- DeliveryRecall has workers give back what they hold of an application's deliveries and have not begun,
-- once the transaction is committed: some of it may be owed no more, or to another address.
SELECT pg_notify('postrider_delivery', recalled.app_id)::text
FROM (SELECT @app_id::text AS app_id) AS recalled;

-- name: DeliveryAnnounceAnyTenant :one
-- DeliveryAnnounceAnyTenant tells workers that deliveries became due: those that wait with an empty payload, and
-- if all are fresh, with 'fresh'.
SELECT pg_notify('postrider_delivery', CASE WHEN @waiting::boolean THEN '' ELSE 'fresh' END)::text;

-- name: DeliveryListenAnyTenant :exec
-- DeliveryListenAnyTenant makes the connection hear when deliveries become due.
-- @sqlc-vet-disable
LISTEN postrider_delivery;
