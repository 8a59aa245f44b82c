-- name: DeliveryRecall :one
-- DeliveryRecall makes workers return the deliveries of an application that they hold and have not started, once the
-- transaction is committed: some may no longer be owed, or have another address.
SELECT pg_notify(format('%s_delivery', current_schema()), recalled.app_id)::text
FROM (SELECT @app_id::text AS app_id) AS recalled;

-- name: DeliveryAnnounceAnyTenant :one
-- DeliveryAnnounceAnyTenant notifies workers that deliveries became due: with an empty payload if some are waiting,
-- and with 'fresh' if all are fresh.
SELECT pg_notify(format('%s_delivery', current_schema()), CASE WHEN @waiting::boolean THEN '' ELSE 'fresh' END)::text;

-- name: DeliveryListenAnyTenant :exec
-- DeliveryListenAnyTenant subscribes the connection to notifications of due deliveries. All schemas of a database share
-- its channels, so the name of the channel contains that of the schema, and LISTEN takes no expression.
-- @sqlc-vet-disable
DO $$ BEGIN EXECUTE format('LISTEN %I', format('%s_delivery', current_schema())); END $$;
