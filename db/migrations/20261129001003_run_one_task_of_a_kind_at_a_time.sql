-- One task of a kind runs at a time: for an endpoint, for an application, or for an organisation, whichever the task is
-- about. That bounds how many an application can have, by the number of its endpoints, and keeps two replays from
-- sending the same messages twice.
--
-- Where several run already, none is ended: all but the first are marked as duplicates, run to their end and do not
-- count. The index is made in the same transaction, under a lock that keeps new tasks out; steps wait for it, a matter
-- of milliseconds. A request to the release before this one that would begin a second task is refused. If it stops
-- halfway, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';
ALTER TABLE background_task ADD COLUMN duplicate boolean NOT NULL DEFAULT false;
UPDATE background_task
SET duplicate = true
WHERE status = 'running'
    AND EXISTS (
        SELECT
        FROM background_task AS earlier
        WHERE earlier.status = 'running'
            AND earlier.org_id = background_task.org_id
            AND coalesce(earlier.app_id, earlier.org_id) = coalesce(background_task.app_id, background_task.org_id)
            AND coalesce(earlier.endpoint_id, '') = coalesce(background_task.endpoint_id, '')
            AND earlier.task = background_task.task
            AND earlier.id < background_task.id
    );
CREATE UNIQUE INDEX background_task_app_id_endpoint_id_task_running_key
    ON background_task (coalesce(app_id, org_id), coalesce(endpoint_id, ''), task)
    WHERE status = 'running' AND NOT duplicate;

COMMENT ON COLUMN background_task.duplicate IS 'Began beside another of its kind, before that was refused; runs to its end.';
COMMENT ON INDEX background_task_app_id_endpoint_id_task_running_key IS 'One task of a kind runs for an endpoint, an application or an organisation.';

-- migrate:down
SET LOCAL lock_timeout = '2s';
DROP INDEX background_task_app_id_endpoint_id_task_running_key;
ALTER TABLE background_task DROP COLUMN duplicate;
