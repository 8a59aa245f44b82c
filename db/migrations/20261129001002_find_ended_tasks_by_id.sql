-- Ended tasks are found by their ids, which are of the time when they began, instead of by the time when they ended:
-- every step writes updated_at, and an index on a column that changes keeps Postgres from updating the row in place,
-- even if the row is not in that index.
--
-- The table is locked while the index is made: a second for a million ended tasks. The release before this one sorts
-- them instead, once an hour. If it stops halfway, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';
CREATE INDEX background_task_id_ended_idx ON background_task (id) WHERE status <> 'running';
DROP INDEX background_task_updated_at_ended_idx;

COMMENT ON INDEX background_task_id_ended_idx IS 'Ended tasks, oldest first, to be deleted.';

-- migrate:down
SET LOCAL lock_timeout = '2s';
CREATE INDEX background_task_updated_at_ended_idx ON background_task (updated_at) WHERE status <> 'running';
DROP INDEX background_task_id_ended_idx;

COMMENT ON INDEX background_task_updated_at_ended_idx IS 'What has ended long ago, to be deleted.';
