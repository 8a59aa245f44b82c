-- Deliveries that somebody asked for by hand (resend, recover): one attempt, and no retries of its
-- own. Where the delivery was owed anyway, it goes on by its schedule if that attempt fails.
--
-- Columns with constant defaults: nothing is rewritten, the table is locked for a moment. If it stops
-- halfway, nothing has changed; run it again. The release before this one makes such deliveries like
-- any other.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE delivery
    ADD COLUMN manual boolean NOT NULL DEFAULT false,
    ADD COLUMN resume_at timestamptz;

COMMENT ON COLUMN delivery.manual IS 'The next attempt was asked for by hand.';
COMMENT ON COLUMN delivery.resume_at IS 'When the schedule goes on if that attempt fails; NULL: it does not.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE delivery
    DROP COLUMN manual,
    DROP COLUMN resume_at;
