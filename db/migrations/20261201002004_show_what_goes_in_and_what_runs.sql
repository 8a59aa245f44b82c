-- Views for psql and dashboards: what waits in the outboxes and what was refused there, the partitions, the background
-- tasks that run, and who is connected.
--
-- The catalog's tables are named with their schema, because sqlc does not find them without.
--
-- Views only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE VIEW outbox_lag AS
SELECT
    'outbox' AS name,
    (SELECT count(*) FROM outbox) AS messages,
    first.created_at AS oldest_at,
    now() - first.created_at AS age
FROM (VALUES (1)) AS always (one)
LEFT JOIN (SELECT outbox.created_at FROM outbox ORDER BY outbox.id LIMIT 1) AS first ON true
UNION ALL
SELECT
    'operational_event' AS name,
    (SELECT count(*) FROM operational_event) AS messages,
    first.created_at AS oldest_at,
    now() - first.created_at AS age
FROM (VALUES (1)) AS always (one)
LEFT JOIN (
    SELECT operational_event.created_at FROM operational_event ORDER BY operational_event.id LIMIT 1
) AS first ON true;

COMMENT ON VIEW outbox_lag IS 'How many messages wait in outbox and in operational_event to be taken in, and how long the first has waited. Counts by reading all of an index; the age alone is one look-up: SELECT name, age.';
COMMENT ON COLUMN outbox_lag.name IS 'outbox: of producers, taken in by consume; operational_event: operational webhooks, taken in by jobs.';
COMMENT ON COLUMN outbox_lag.messages IS 'How many wait.';
COMMENT ON COLUMN outbox_lag.oldest_at IS 'When the transaction began that inserted the first; NULL: none waits.';
COMMENT ON COLUMN outbox_lag.age IS 'How long ago that is. More than some seconds: no process takes them in, or not fast enough.';

CREATE VIEW dead_letter AS
SELECT
    outbox_dead_letter.org_id,
    outbox_dead_letter.application,
    outbox_dead_letter.event_type,
    outbox_dead_letter.reason,
    count(*) AS letters,
    min(outbox_dead_letter.letter_id) AS first_letter_id,
    max(outbox_dead_letter.letter_id) AS last_letter_id,
    min(outbox_dead_letter.refused_at) AS first_refused_at,
    max(outbox_dead_letter.refused_at) AS last_refused_at
FROM outbox_dead_letter
GROUP BY
    outbox_dead_letter.org_id, outbox_dead_letter.application, outbox_dead_letter.event_type, outbox_dead_letter.reason;

COMMENT ON VIEW dead_letter IS 'What was refused in the outbox, by reason. Reads all of outbox_dead_letter, but not the payloads.';
COMMENT ON COLUMN dead_letter.org_id IS 'The organisation that sent them.';
COMMENT ON COLUMN dead_letter.application IS 'The id or uid of the application that they were sent to.';
COMMENT ON COLUMN dead_letter.event_type IS 'Their event type.';
COMMENT ON COLUMN dead_letter.reason IS 'Why they could not be sent.';
COMMENT ON COLUMN dead_letter.letters IS 'How many there are.';
COMMENT ON COLUMN dead_letter.first_letter_id IS 'The lowest letter_id in outbox_dead_letter. Others may have numbers in between.';
COMMENT ON COLUMN dead_letter.last_letter_id IS 'The highest letter_id in outbox_dead_letter.';
COMMENT ON COLUMN dead_letter.first_refused_at IS 'When the first of them was put aside.';
COMMENT ON COLUMN dead_letter.last_refused_at IS 'When the last of them was put aside.';

CREATE VIEW partition AS
SELECT
    described.parent,
    described.name,
    described.from_id,
    described.to_id,
    id_time(described.from_id) AS from_at,
    id_time(described.to_id) AS to_at,
    described.rows,
    pg_total_relation_size(described.oid) AS bytes,
    pg_indexes_size(described.oid) AS index_bytes
FROM (
    SELECT
        part.oid,
        parent.relname::text AS parent,
        part.relname::text AS name,
        substring(pg_get_expr(part.relpartbound, part.oid) FROM 'FROM \(''([^'']*)''\)') AS from_id,
        substring(pg_get_expr(part.relpartbound, part.oid) FROM 'TO \(''([^'']*)''\)') AS to_id,
        CASE WHEN part.reltuples >= 0 THEN part.reltuples::bigint END AS rows
    FROM pg_catalog.pg_inherits AS inherits
    JOIN pg_catalog.pg_class AS part ON part.oid = inherits.inhrelid
    JOIN pg_catalog.pg_class AS parent ON parent.oid = inherits.inhparent
    WHERE inherits.inhparent IN ('message'::regclass, 'attempt'::regclass)
) AS described;

COMMENT ON VIEW partition IS 'The partitions of message and attempt. Reads the catalog, and asks the file system for sizes.';
COMMENT ON COLUMN partition.parent IS 'message or attempt.';
COMMENT ON COLUMN partition.name IS 'The name of the table: that of the parent, and the Monday on which it begins.';
COMMENT ON COLUMN partition.from_id IS 'The lowest id that it holds; NULL: the default partition, which holds what no other does.';
COMMENT ON COLUMN partition.to_id IS 'The id below which it ends; NULL: the default partition.';
COMMENT ON COLUMN partition.from_at IS 'The time of from_id.';
COMMENT ON COLUMN partition.to_at IS 'The time of to_id.';
COMMENT ON COLUMN partition.rows IS 'The number of rows at the last VACUUM or ANALYZE; NULL: there was none. Of a default partition it should be 0.';
COMMENT ON COLUMN partition.bytes IS 'Its size on disk with indexes and TOAST.';
COMMENT ON COLUMN partition.index_bytes IS 'The size of its indexes, which is part of bytes.';

CREATE VIEW running_task AS
SELECT
    background_task.org_id,
    background_task.id,
    background_task.task,
    background_task.app_id,
    background_task.endpoint_id,
    background_task.processed,
    background_task.cursor,
    background_task.failures,
    background_task.error,
    background_task.created_at,
    background_task.updated_at,
    background_task.next_at,
    now() - background_task.created_at AS age,
    CASE
        WHEN background_task.next_at < now()
        THEN now() - greatest(background_task.next_at, background_task.updated_at)
    END AS overdue
FROM background_task
WHERE background_task.status = 'running';

COMMENT ON VIEW running_task IS 'Background tasks that have not ended. Reads an index that holds nothing else.';
COMMENT ON COLUMN running_task.org_id IS 'The organisation that asked for it.';
COMMENT ON COLUMN running_task.id IS 'The id of the task.';
COMMENT ON COLUMN running_task.task IS 'What is done: the names of the API.';
COMMENT ON COLUMN running_task.app_id IS 'The application it is about; NULL: the whole organisation.';
COMMENT ON COLUMN running_task.endpoint_id IS 'The endpoint it is about; NULL: none in particular.';
COMMENT ON COLUMN running_task.processed IS 'How many messages were looked at.';
COMMENT ON COLUMN running_task.cursor IS 'The last id that is done. If it is that of a message, id_time(cursor) says how far the task has come.';
COMMENT ON COLUMN running_task.failures IS 'How many times the next step has failed.';
COMMENT ON COLUMN running_task.error IS 'Why, as the API shows it; NULL: it has not.';
COMMENT ON COLUMN running_task.created_at IS 'When it was asked for.';
COMMENT ON COLUMN running_task.updated_at IS 'When its last step ended.';
COMMENT ON COLUMN running_task.next_at IS 'When its next step may be made. In the future: it waits for deliveries, or after a failure.';
COMMENT ON COLUMN running_task.age IS 'How long ago it was asked for.';
COMMENT ON COLUMN running_task.overdue IS 'How long its next step has been waiting for its turn; NULL: it may not be made yet. Minutes: no process runs the jobs.';

CREATE VIEW connection AS
SELECT
    coalesce(nullif(activity.application_name, ''), 'unknown') AS component,
    activity.usename::text AS role,
    count(*) AS connections,
    count(*) FILTER (WHERE activity.state = 'active') AS active,
    count(*) FILTER (WHERE activity.state = 'idle') AS idle,
    count(*) FILTER (WHERE activity.state LIKE 'idle in transaction%') AS idle_in_transaction,
    count(*) FILTER (WHERE activity.wait_event_type = 'Lock') AS waiting_for_lock,
    max(now() - activity.xact_start) AS longest_transaction,
    max(now() - activity.query_start) FILTER (WHERE activity.state = 'active') AS longest_statement
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.datname = current_database()
    AND coalesce(activity.backend_type, 'client backend') = 'client backend' -- NULL: not visible to this role
GROUP BY activity.application_name, activity.usename;

COMMENT ON VIEW connection IS 'Connections to this database, Postrider''s and others, by application_name. A role without pg_read_all_stats sees no state of other roles'' connections.';
COMMENT ON COLUMN connection.component IS 'The application_name: Postrider''s begin with postrider, unless DATABASE_URL sets another.';
COMMENT ON COLUMN connection.role IS 'The role that is logged in.';
COMMENT ON COLUMN connection.connections IS 'How many connections there are.';
COMMENT ON COLUMN connection.active IS 'Those that execute a statement.';
COMMENT ON COLUMN connection.idle IS 'Those that wait for a statement.';
COMMENT ON COLUMN connection.idle_in_transaction IS 'Those that wait inside a transaction, and may hold locks and a snapshot.';
COMMENT ON COLUMN connection.waiting_for_lock IS 'Those whose statement waits for a lock.';
COMMENT ON COLUMN connection.longest_transaction IS 'The age of the oldest transaction; NULL: none is open.';
COMMENT ON COLUMN connection.longest_statement IS 'For how long the oldest statement has been executed; NULL: none is.';

-- migrate:down
DROP VIEW connection;
DROP VIEW running_task;
DROP VIEW partition;
DROP VIEW dead_letter;
DROP VIEW outbox_lag;
