-- Moving an organisation, first script: stops it in the cell that it leaves. See docs/scale.md.
--
--   PGOPTIONS='-c search_path=OLD_CELL -c postrider.organisation=ORG' psql -v ON_ERROR_STOP=1 -f hold.sql
--
-- Afterwards the cell refuses all tokens of the organisation and starts no more attempts for it. Attempts in progress
-- end and are recorded. undo.sql takes it back.

BEGIN;

CREATE SCHEMA postrider_moving; -- exists if another organisation is being moved

COMMENT ON SCHEMA postrider_moving IS 'The rows of an organisation that is moved from one cell to another. Some of them are nowhere else.';

CREATE TABLE postrider_moving.organisation AS
SELECT current_setting('postrider.organisation') COLLATE "C" AS id, current_schema()::text AS cell;

-- With its rate limits, which are about to change. The application of the reserved organisation has the operational
-- webhooks' endpoints.
CREATE TABLE postrider_moving.application AS
SELECT application.*
FROM application
CROSS JOIN postrider_moving.organisation
WHERE application.org_id = organisation.id
    OR (application.org_id = 'org_00000000000OperationalWebhook' AND application.uid = organisation.id);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM postrider_moving.application) THEN
        RAISE EXCEPTION 'the cell % has no applications of the organisation %', current_schema(), current_setting('postrider.organisation');
    END IF;
END
$$;

-- Without those that follow, which are for this cell only.
CREATE TABLE postrider_moving.token_revocation AS
SELECT token_revocation.*
FROM token_revocation
JOIN postrider_moving.organisation ON organisation.id = token_revocation.org_id;

-- No token is valid here any more, whenever it was issued. The organisation's own tokens are revoked under its id.
INSERT INTO token_revocation (org_id, app_id, issued_before, effective_at)
SELECT organisation.id, subject.id, 'infinity', now() - interval '15 minutes'
FROM postrider_moving.organisation
CROSS JOIN LATERAL (
    SELECT organisation.id
    UNION ALL
    SELECT application.id
    FROM postrider_moving.application
    WHERE application.org_id = organisation.id
) AS subject;

-- Claims obey the rate limits of applications. The next attempt is allowed in a year.
UPDATE application
SET throttle_rate = coalesce(application.throttle_rate, 1),
    throttled_until = now() + interval '1 year'
FROM postrider_moving.application AS moving
WHERE application.id = moving.id;

-- Workers give back what they hold and have not started.
SELECT count(pg_notify(format('%s_delivery', current_schema()), application.id)::text) AS applications
FROM postrider_moving.application;

COMMIT;
