-- Applications take turns at steps of background tasks, and so do organisations: 3,000 replays of one application made
-- another's take 92 s instead of 1.3 s, because the task that had waited longest was next, whoever it belonged to. The
-- index finds the applications that have running tasks, and the tasks of one in the order of their ids, by one probe
-- each. What is about a whole organisation has the organisation's id in the application's place.
--
-- No column of it changes while a task runs, so that a step can update its row in place (HOT), without an entry in any
-- index; the fill factor leaves room for that. The index on next_at, which changed with every step, is dropped: the
-- release before this one reads all running tasks to find the next instead, by the new index.
--
-- The table is locked while the index is made: tasks that run, a matter of milliseconds. If it stops halfway, nothing
-- has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';
CREATE INDEX background_task_app_id_id_running_idx ON background_task (coalesce(app_id, org_id), id) WHERE status = 'running';
DROP INDEX background_task_next_at_running_idx;
ALTER TABLE background_task SET (fillfactor = 60);

COMMENT ON INDEX background_task_app_id_id_running_idx IS 'Which applications have running tasks, and those of each, for their turns.';
COMMENT ON COLUMN background_task.next_at IS 'When the next step may be made: at once, unless the task waits for deliveries or after a failure.';

-- migrate:down
SET LOCAL lock_timeout = '2s';
ALTER TABLE background_task RESET (fillfactor);
CREATE INDEX background_task_next_at_running_idx ON background_task (next_at) WHERE status = 'running';
DROP INDEX background_task_app_id_id_running_idx;

COMMENT ON INDEX background_task_next_at_running_idx IS 'Whose turn it is.';
COMMENT ON COLUMN background_task.next_at IS 'When the next step may be made. Each step puts it at the end of the queue.';
