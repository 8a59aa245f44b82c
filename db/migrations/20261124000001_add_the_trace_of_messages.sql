-- The trace that a message is part of, so that its delivery attempts can go on with it, whenever they are
-- made and by whichever process.
--
-- A column without a default: nothing is rewritten, each partition is locked for a moment. If it stops
-- halfway, nothing has changed; run it again. The release before this one leaves it NULL.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE message
    ADD COLUMN traceparent text;

COMMENT ON COLUMN message.traceparent IS 'The trace it is part of, as in the W3C''s header of that name; NULL: none.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE message
    DROP COLUMN traceparent;
