-- Does nothing: the indexes that it made are part of
-- 20261122000006_create_attempts.sql now, where they cost nothing because the table is empty.
-- Added later, they block the recording of attempts: 18 s at 5.5 million rows.
--
-- The version stays because databases made before that change have recorded it.

-- migrate:up

-- migrate:down
