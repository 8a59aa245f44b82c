-- Does nothing: the columns, constraints and indexes that it added are part of
-- 20261122000005_create_deliveries.sql now, where they cost nothing because the table is empty.
-- Added later, they block the whole queue while the table is read.
--
-- The version stays because databases made before that change have recorded it.

-- migrate:up

-- migrate:down
