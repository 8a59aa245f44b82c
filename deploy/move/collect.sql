-- Moving an organisation, second script: collects its rows in the schema postrider_moving. See docs/scale.md.
--
--   PGOPTIONS='-c search_path=OLD_CELL' psql -v ON_ERROR_STOP=1 -f collect.sql
--
-- Rows that somebody works on leave their tables: deliveries, background tasks, operational events and the outbox. All
-- others are copied. It fails while attempts are in progress, and then has changed nothing: run it again. undo.sql
-- takes it back.

BEGIN;

-- First what makes messages and deliveries. Whoever is working on it commits before it is taken.
CREATE TABLE postrider_moving.outbox AS
WITH taken AS (
    DELETE FROM outbox
    USING postrider_moving.organisation
    WHERE outbox.org_id = organisation.id
    RETURNING outbox.*
)
SELECT * FROM taken;

CREATE TABLE postrider_moving.background_task AS
WITH taken AS (
    DELETE FROM background_task
    USING postrider_moving.organisation
    WHERE background_task.org_id = organisation.id
    RETURNING background_task.*
)
SELECT * FROM taken;

CREATE TABLE postrider_moving.operational_event AS
WITH taken AS (
    DELETE FROM operational_event
    USING postrider_moving.organisation
    WHERE operational_event.org_id = organisation.id
    RETURNING operational_event.*
)
SELECT * FROM taken;

CREATE TABLE postrider_moving.delivery AS
WITH taken AS (
    DELETE FROM delivery
    USING postrider_moving.application
    WHERE delivery.app_id = application.id
        AND delivery.state <> 'leased'
    RETURNING delivery.*
)
SELECT * FROM taken;

DO $$
DECLARE
    leased bigint := (SELECT count(*) FROM delivery JOIN postrider_moving.application ON application.id = delivery.app_id);
BEGIN
    IF leased > 0 THEN
        RAISE EXCEPTION '% deliveries are in progress', leased
            USING HINT = 'Run this again. They end within POSTRIDER_REQUEST_TIMEOUT, or within POSTRIDER_LEASE if their worker is gone.';
    END IF;
END
$$;

CREATE TABLE postrider_moving.endpoint AS
SELECT endpoint.* FROM endpoint JOIN postrider_moving.application ON application.id = endpoint.app_id;

CREATE TABLE postrider_moving.event_type AS
SELECT event_type.* FROM event_type JOIN postrider_moving.organisation ON organisation.id = event_type.org_id;

CREATE TABLE postrider_moving.idempotency_key AS
SELECT idempotency_key.* FROM idempotency_key JOIN postrider_moving.organisation ON organisation.id = idempotency_key.org_id;

CREATE TABLE postrider_moving.outbox_dead_letter AS
SELECT outbox_dead_letter.* FROM outbox_dead_letter JOIN postrider_moving.organisation ON organisation.id = outbox_dead_letter.org_id;

CREATE TABLE postrider_moving.message_event_id AS
SELECT message_event_id.* FROM message_event_id JOIN postrider_moving.application ON application.id = message_event_id.app_id;

CREATE TABLE postrider_moving.message_key AS
SELECT message_key.* FROM message_key JOIN postrider_moving.application ON application.id = message_key.app_id;

CREATE TABLE postrider_moving.message AS
SELECT message.* FROM message JOIN postrider_moving.application ON application.id = message.app_id;

CREATE TABLE postrider_moving.attempt AS
SELECT attempt.* FROM attempt JOIN postrider_moving.application ON application.id = attempt.app_id;

-- The weeks that hold its messages and attempts, as partition_create() takes them.
CREATE TABLE postrider_moving.week AS
SELECT part.parent, part.suffix, part.bounds[1] AS lower_id, part.bounds[2] AS upper_id
FROM (
    SELECT
        pg_inherits.inhparent::regclass::text AS parent,
        substr(pg_class.relname, length(parent.relname) + 2) AS suffix,
        regexp_match(pg_get_expr(pg_class.relpartbound, pg_class.oid), 'FROM \(''(.*)''\) TO \(''(.*)''\)') AS bounds
    FROM pg_inherits
    JOIN pg_class ON pg_class.oid = pg_inherits.inhrelid
    JOIN pg_class AS parent ON parent.oid = pg_inherits.inhparent
    WHERE pg_inherits.inhparent IN ('message'::regclass, 'attempt'::regclass)
) AS part
WHERE EXISTS (
    SELECT FROM postrider_moving.message
    WHERE part.parent = 'message' AND message.id >= part.bounds[1] COLLATE "C" AND message.id < part.bounds[2] COLLATE "C"
) OR EXISTS (
    SELECT FROM postrider_moving.attempt
    WHERE part.parent = 'attempt' AND attempt.id >= part.bounds[1] COLLATE "C" AND attempt.id < part.bounds[2] COLLATE "C"
);

CREATE TABLE postrider_moving.schema_migrations AS
SELECT * FROM schema_migrations;

COMMIT;
