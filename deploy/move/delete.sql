-- Moving an organisation, fourth script: deletes it from the cell that it left. See docs/scale.md.
--
--   PGOPTIONS='-c search_path=OLD_CELL' psql -v ON_ERROR_STOP=1 -f delete.sql
--
-- It fails if something was stored there since collect.sql, and then has changed nothing. The cell goes on refusing the
-- organisation's tokens.
--
-- It also drops postrider_moving. If insert.sql ran in another database, say so: add -c postrider.moved=on.

BEGIN;

DO $$
DECLARE
    late bigint := (
        SELECT count(*)
        FROM message
        JOIN postrider_moving.application ON application.id = message.app_id
        WHERE NOT EXISTS (
            SELECT FROM postrider_moving.message AS moved WHERE moved.app_id = message.app_id AND moved.id = message.id
        )
    );
    owed bigint := (SELECT count(*) FROM delivery JOIN postrider_moving.application ON application.id = delivery.app_id);
    waiting bigint := (SELECT count(*) FROM outbox JOIN postrider_moving.organisation ON organisation.id = outbox.org_id);
BEGIN
    IF to_regclass('postrider_moving.inserted') IS NULL AND current_setting('postrider.moved', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'the organisation is in no other cell of this database'
            USING HINT = 'Run insert.sql first. If it ran in another database, add -c postrider.moved=on.';
    END IF;
    IF late + owed + waiting > 0 THEN
        RAISE EXCEPTION '% messages and % deliveries were stored here after the others were collected, and % wait in the outbox', late, owed, waiting
            USING HINT = 'Something still sends to this cell. Send these messages to the new one, delete them here, and run this again.';
    END IF;
END
$$;

DELETE FROM attempt_count USING postrider_moving.application WHERE attempt_count.app_id = application.id;
DELETE FROM attempt USING postrider_moving.application WHERE attempt.app_id = application.id;
DELETE FROM message USING postrider_moving.application WHERE message.app_id = application.id;
DELETE FROM message_event_id USING postrider_moving.application WHERE message_event_id.app_id = application.id;
DELETE FROM message_key USING postrider_moving.application WHERE message_key.app_id = application.id;
DELETE FROM idempotency_key USING postrider_moving.organisation WHERE idempotency_key.org_id = organisation.id;
DELETE FROM outbox_dead_letter USING postrider_moving.organisation WHERE outbox_dead_letter.org_id = organisation.id;
DELETE FROM endpoint USING postrider_moving.application WHERE endpoint.app_id = application.id;
DELETE FROM application USING postrider_moving.application AS moved WHERE application.id = moved.id;
DELETE FROM event_type USING postrider_moving.organisation WHERE event_type.org_id = organisation.id;

DROP SCHEMA postrider_moving CASCADE;

COMMIT;
