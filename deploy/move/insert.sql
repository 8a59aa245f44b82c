-- Moving an organisation, third script: puts its rows into another cell. See docs/scale.md.
--
--   PGOPTIONS='-c search_path=NEW_CELL' psql -v ON_ERROR_STOP=1 -f insert.sql
--
-- Everything arrives in one transaction, after which workers of the cell deliver what is owed. If it fails, nothing has
-- changed, except that there may be more partitions: run it again, or undo.sql in the cell that it leaves.

DO $$
DECLARE
    org text := (SELECT id FROM postrider_moving.organisation);
BEGIN
    IF (SELECT array_agg(version::text ORDER BY version) FROM schema_migrations)
        <> (SELECT array_agg(version::text ORDER BY version) FROM postrider_moving.schema_migrations) THEN
        RAISE EXCEPTION 'the cells have different migrations' USING HINT = 'Upgrade the older one first, and begin with undo.sql.';
    END IF;
    IF EXISTS (SELECT FROM application WHERE org_id = org)
        OR EXISTS (SELECT FROM event_type WHERE org_id = org)
        OR EXISTS (SELECT FROM application JOIN postrider_moving.application AS moving ON moving.id = application.id) THEN
        RAISE EXCEPTION 'the cell % has an organisation % already', current_schema(), org;
    END IF;
    PERFORM partition_create(parent, suffix, lower_id, upper_id) FROM postrider_moving.week ORDER BY parent, suffix;
END
$$;

BEGIN;

-- Left from when the organisation moved away from here.
DELETE FROM token_revocation
USING postrider_moving.organisation
WHERE token_revocation.org_id = organisation.id;

INSERT INTO token_revocation OVERRIDING USER VALUE
SELECT * FROM postrider_moving.token_revocation ORDER BY id;

INSERT INTO event_type SELECT * FROM postrider_moving.event_type;

INSERT INTO application SELECT * FROM postrider_moving.application;

INSERT INTO endpoint SELECT * FROM postrider_moving.endpoint ORDER BY app_id, id;

INSERT INTO idempotency_key SELECT * FROM postrider_moving.idempotency_key;

INSERT INTO message_key SELECT * FROM postrider_moving.message_key;

INSERT INTO message_event_id SELECT * FROM postrider_moving.message_event_id;

INSERT INTO message SELECT * FROM postrider_moving.message ORDER BY id;

INSERT INTO attempt SELECT * FROM postrider_moving.attempt ORDER BY id;

INSERT INTO outbox_dead_letter OVERRIDING USER VALUE
SELECT * FROM postrider_moving.outbox_dead_letter ORDER BY letter_id;

INSERT INTO background_task SELECT * FROM postrider_moving.background_task;

-- Deliveries to FIFO endpoints and in lanes are numbered by this cell, in their order: what it stores later has higher
-- numbers. All leases are given up, and nothing is due in the past, where claims would not look for it.
WITH lane AS MATERIALIZED (
    SELECT numbered.place, nextval(pg_get_serial_sequence('operational_event', 'id')) AS new_place
    FROM (
        SELECT DISTINCT delivery.place
        FROM postrider_moving.delivery
        WHERE delivery.place IS NOT NULL
        ORDER BY delivery.place
    ) AS numbered
)
INSERT INTO delivery (
    app_id, message_id, endpoint_id, due_at, lease, attempts, manual, resume_at, queue, seq, subject, place, state
)
SELECT
    owed.app_id, owed.message_id, owed.endpoint_id, greatest(owed.due_at, clock_timestamp()), owed.lease + 1, owed.attempts,
    owed.manual, owed.resume_at, owed.queue, CASE WHEN owed.seq IS NOT NULL THEN nextval('delivery_seq') END, owed.subject,
    owed.new_place, 'waiting'
FROM (
    SELECT delivery.*, lane.new_place
    FROM postrider_moving.delivery
    LEFT JOIN lane ON lane.place = delivery.place
    ORDER BY delivery.seq
) AS owed;

INSERT INTO operational_event (org_id, type, payload, created_at, subject)
SELECT org_id, type, payload, created_at, subject FROM postrider_moving.operational_event ORDER BY id;

INSERT INTO outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent, created_at)
SELECT org_id, application, event_type, payload, event_id, channels, tags, traceparent, created_at
FROM postrider_moving.outbox
ORDER BY id;

-- Tells the other scripts.
CREATE TABLE postrider_moving.inserted AS
SELECT current_schema()::text AS cell, now() AS at;

SELECT pg_notify(format('%s_delivery', current_schema()), '')::text AS announced;

COMMIT;
