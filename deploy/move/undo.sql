-- Moving an organisation: takes back hold.sql, and collect.sql if that ran. See docs/scale.md.
--
--   PGOPTIONS='-c search_path=OLD_CELL' psql -v ON_ERROR_STOP=1 -f undo.sql
--
-- Never run it after insert.sql, which it notices only in the same database: both cells would then send what is owed.

BEGIN;

DO $$
BEGIN
    IF (SELECT cell FROM postrider_moving.organisation) <> current_schema() THEN
        RAISE EXCEPTION 'the organisation is of the cell %', (SELECT cell FROM postrider_moving.organisation);
    END IF;
    IF to_regclass('postrider_moving.inserted') IS NOT NULL THEN
        RAISE EXCEPTION 'the organisation is in the cell % already', (SELECT cell FROM postrider_moving.inserted);
    END IF;
    IF to_regclass('postrider_moving.delivery') IS NULL THEN
        RETURN;
    END IF;
    UPDATE postrider_moving.delivery SET state = 'waiting', due_at = greatest(due_at, clock_timestamp());
    INSERT INTO delivery SELECT * FROM postrider_moving.delivery;
    INSERT INTO operational_event OVERRIDING SYSTEM VALUE SELECT * FROM postrider_moving.operational_event;
    INSERT INTO background_task SELECT * FROM postrider_moving.background_task;
    -- As new rows: consumers do not look for old ones again.
    INSERT INTO outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent, created_at)
    SELECT org_id, application, event_type, payload, event_id, channels, tags, traceparent, created_at
    FROM postrider_moving.outbox
    ORDER BY id;
END
$$;

UPDATE application
SET throttle_rate = moving.throttle_rate,
    throttled_until = moving.throttled_until
FROM postrider_moving.application AS moving
WHERE application.id = moving.id;

DELETE FROM token_revocation
USING postrider_moving.organisation
WHERE token_revocation.org_id = organisation.id
    AND token_revocation.id NOT IN (SELECT kept.id FROM postrider_moving.token_revocation AS kept);

DROP SCHEMA postrider_moving CASCADE;

SELECT pg_notify(format('%s_delivery', current_schema()), '')::text AS announced;

COMMIT;
