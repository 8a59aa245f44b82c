-- The state that all workers share of an endpoint: how it fares, until when it is left alone, and how
-- much of its rate is used up. It is written when an attempt fails, when a success ends that, and with
-- each claim for an endpoint that has a rate or is being probed; healthy endpoints without a rate cost
-- nothing.
--
-- Columns with constant defaults: nothing is rewritten, the tables are locked for a moment. If it stops
-- halfway, nothing has changed; run it again. Processes of the release before this one write
-- failing_since as before and heed none of the rest.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE endpoint
    ADD COLUMN fifo boolean NOT NULL DEFAULT false,
    ADD COLUMN failures integer NOT NULL DEFAULT 0,
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN paused_until timestamptz,
    ADD COLUMN throttled_until timestamptz,
    ADD COLUMN disabled_reason text;

ALTER TABLE endpoint ADD CONSTRAINT endpoint_disabled_reason_check CHECK (disabled_reason IN ('gone', 'failing'));
ALTER TABLE endpoint ADD CONSTRAINT endpoint_paused_check CHECK ((paused_at IS NULL) = (paused_until IS NULL));

ALTER TABLE application
    ADD COLUMN throttled_until timestamptz;

COMMENT ON COLUMN endpoint.fifo IS 'Its messages are delivered in order, one at a time.';
COMMENT ON COLUMN endpoint.failures IS 'How many attempts in a row have failed.';
COMMENT ON COLUMN endpoint.paused_at IS 'When the pause was set; an attempt that began later and succeeds ends it.';
COMMENT ON COLUMN endpoint.paused_until IS 'No attempt begins before; then one at a time, until one succeeds. NULL: not paused.';
COMMENT ON COLUMN endpoint.throttled_until IS 'With a throttle_rate: when the next attempt may begin if every one before took its time.';
COMMENT ON COLUMN endpoint.disabled_reason IS 'Why it was disabled by us: gone (it answered 410) or failing (for too long). NULL: it was not.';
COMMENT ON COLUMN application.throttled_until IS 'With a throttle_rate: when the next attempt at any of its endpoints may begin if every one before took its time.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE endpoint
    DROP COLUMN fifo,
    DROP COLUMN failures,
    DROP COLUMN paused_at,
    DROP COLUMN paused_until,
    DROP COLUMN throttled_until,
    DROP COLUMN disabled_reason;

ALTER TABLE application
    DROP COLUMN throttled_until;
