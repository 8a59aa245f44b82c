-- Does nothing: the columns that it added are part of 20261122000005_create_deliveries.sql now, because those
-- of later versions are.
--
-- The version stays because databases made before that change have recorded it.

-- migrate:up

-- migrate:down
