-- name: BackgroundTaskInsert :execrows
-- BackgroundTaskInsert creates a task.
INSERT INTO background_task (
    org_id, id, task, app_id, endpoint_id, parameters, status, cursor, processed, data, failures, error,
    created_at, updated_at, next_at
)
VALUES (
    @org_id, @id, @task, @app_id, @endpoint_id, @parameters, @status, @cursor, @processed, @data, @failures, @error,
    @created_at, @updated_at, @next_at
);

-- name: BackgroundTaskGet :one
-- BackgroundTaskGet finds a task.
SELECT
    org_id, id, task, app_id, endpoint_id, parameters, status, cursor, processed, data, failures, error,
    created_at, updated_at, next_at
FROM background_task
WHERE org_id = @org_id
    AND id = @id;

-- name: BackgroundTaskListDescending :many
-- BackgroundTaskListDescending lists tasks, newest first. Statistics can grow to megabytes, and a page holds 250
-- tasks, so such data is omitted. It looks at up to max_looked tasks, as MessageListDescending does.
SELECT
    background_task.org_id, background_task.id, background_task.task, background_task.app_id,
    background_task.endpoint_id, background_task.parameters, background_task.status, background_task.cursor,
    background_task.processed,
    CASE WHEN pg_column_size(background_task.data) > @max_data_bytes::int THEN '{}' ELSE background_task.data END::jsonb AS data,
    background_task.failures, background_task.error, background_task.created_at, background_task.updated_at,
    background_task.next_at, background_task.matches::boolean AS matches,
    CASE WHEN background_task.n = @max_looked::int THEN background_task.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (
            (@only_app_id::text = '' OR looked.app_id = @only_app_id::text)
            AND (@status::text = '' OR looked.status = @status::text)
            AND (@task::text = '' OR looked.task = @task::text)
        ) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id DESC) AS n
    FROM (
        SELECT
            org_id, id, task, app_id, endpoint_id, parameters, status, cursor, processed, data,
            failures, error, created_at, updated_at, next_at
        FROM background_task
        WHERE org_id = @org_id
            AND id > @after::text
            AND id < @before::text
        ORDER BY id DESC
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS background_task
WHERE background_task.matches
    OR background_task.n = @max_looked::int
ORDER BY background_task.id DESC
LIMIT @max_rows::int;

-- name: BackgroundTaskListAscending :many
-- BackgroundTaskListAscending lists tasks, oldest first, as BackgroundTaskListDescending does.
SELECT
    background_task.org_id, background_task.id, background_task.task, background_task.app_id,
    background_task.endpoint_id, background_task.parameters, background_task.status, background_task.cursor,
    background_task.processed,
    CASE WHEN pg_column_size(background_task.data) > @max_data_bytes::int THEN '{}' ELSE background_task.data END::jsonb AS data,
    background_task.failures, background_task.error, background_task.created_at, background_task.updated_at,
    background_task.next_at, background_task.matches::boolean AS matches,
    CASE WHEN background_task.n = @max_looked::int THEN background_task.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (
            (@only_app_id::text = '' OR looked.app_id = @only_app_id::text)
            AND (@status::text = '' OR looked.status = @status::text)
            AND (@task::text = '' OR looked.task = @task::text)
        ) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id) AS n
    FROM (
        SELECT
            org_id, id, task, app_id, endpoint_id, parameters, status, cursor, processed, data,
            failures, error, created_at, updated_at, next_at
        FROM background_task
        WHERE org_id = @org_id
            AND id > @after::text
            AND id < @before::text
        ORDER BY id
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS background_task
WHERE background_task.matches
    OR background_task.n = @max_looked::int
ORDER BY background_task.id
LIMIT @max_rows::int;

-- name: BackgroundTaskRunningGet :one
-- BackgroundTaskRunningGet finds the running task of a kind for an application and an endpoint. A task without an
-- application has the organisation's id as its place.
SELECT id
FROM background_task
WHERE coalesce(app_id, org_id) = @place::text
    AND coalesce(endpoint_id, '') = @endpoint_id::text
    AND task = @task
    AND status = 'running'
    AND NOT duplicate
    AND org_id = @org_id;

-- name: BackgroundTaskPlaceListAnyTenant :many
-- BackgroundTaskPlaceListAnyTenant goes from place to place, which is an application or else an organisation. It
-- makes one index probe per place, however many tasks run there. It lists the places where a step is due, and the
-- last place it looked at.
WITH RECURSIVE looked AS (
    SELECT
        CAST(@after AS text) COLLATE "C" AS place,
        NULL::text COLLATE "C" AS org_id,
        0 AS n
    UNION ALL
    SELECT following.place, following.org_id, looked.n + 1
    FROM looked
    CROSS JOIN LATERAL (
        SELECT coalesce(background_task.app_id, background_task.org_id) AS place, background_task.org_id
        FROM background_task
        WHERE coalesce(background_task.app_id, background_task.org_id) > looked.place
            AND background_task.status = 'running'
        ORDER BY coalesce(background_task.app_id, background_task.org_id), background_task.id
        LIMIT 1
    ) AS following
    WHERE looked.n < @max_places::int
)
SELECT
    looked.place::text AS place,
    looked.org_id::text AS org_id,
    looked.n::int AS n,
    (due.found IS TRUE)::boolean AS due
FROM looked
LEFT JOIN LATERAL (
    SELECT true AS found
    FROM background_task
    WHERE coalesce(background_task.app_id, background_task.org_id) = looked.place
        AND background_task.status = 'running'
        AND background_task.next_at <= @now::timestamptz
    ORDER BY coalesce(background_task.app_id, background_task.org_id), background_task.id
    LIMIT 1
) AS due ON true
WHERE looked.n > 0
    AND (due.found OR looked.n = @max_places::int)
ORDER BY looked.place
LIMIT @max_places::int;

-- name: BackgroundTaskClaimAnyTenant :one
-- BackgroundTaskClaimAnyTenant locks the first running task of a place, after a given one, whose next step is due.
-- SKIP LOCKED, because another process is making a step of a locked task.
SELECT
    org_id, id, task, app_id, endpoint_id, parameters, status, cursor, processed, data, failures, error,
    created_at, updated_at, next_at
FROM background_task
WHERE coalesce(app_id, org_id) = @place::text
    AND id > @after::text
    AND status = 'running'
    AND next_at <= @now
ORDER BY coalesce(app_id, org_id), id
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED;

-- name: BackgroundTaskUpdate :execrows
-- BackgroundTaskUpdate records the progress of a task.
UPDATE background_task
SET status = @status,
    cursor = @cursor,
    processed = @processed,
    data = @data,
    failures = @failures,
    error = @error,
    updated_at = @updated_at,
    next_at = @next_at
WHERE org_id = @org_id
    AND id = @id;

-- name: BackgroundTaskPostpone :execrows
-- BackgroundTaskPostpone records that a step failed: the task waits, or has failed with it. A task that another
-- process has advanced meanwhile is not changed.
UPDATE background_task
SET status = @status,
    failures = @failures,
    error = @error,
    updated_at = @updated_at,
    next_at = @next_at
WHERE org_id = @org_id
    AND id = @id
    AND status = 'running'
    AND cursor = @cursor;

-- name: BackgroundTaskDeleteEndedAnyTenant :execrows
-- BackgroundTaskDeleteEndedAnyTenant deletes tasks that began and ended before a time, up to a limit.
DELETE FROM background_task
WHERE background_task.ctid = ANY (ARRAY(
    SELECT ended.ctid
    FROM background_task AS ended
    WHERE ended.status <> 'running'
        AND ended.id < @before_id::text
        AND ended.updated_at < @before::timestamptz
    ORDER BY ended.id
    LIMIT @max_rows::int
    FOR UPDATE SKIP LOCKED
));
