-- Does nothing: it changed the function of a trigger that 20261201001001 drops, and that is not created any more.
--
-- The version stays because databases made before that change have recorded it.

-- migrate:up

-- migrate:down
