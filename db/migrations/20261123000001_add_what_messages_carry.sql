-- What a message can carry besides its payload: another content type, for payloads that are no JSON,
-- and a time before which it is not delivered.
--
-- Two columns without defaults: nothing is rewritten, each partition is locked for a moment. If it
-- stops halfway, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE message
    ADD COLUMN content_type text,
    ADD COLUMN deliver_at timestamptz;

COMMENT ON COLUMN message.content_type IS 'The Content-Type of its webhooks; NULL: application/json.';
COMMENT ON COLUMN message.deliver_at IS 'Its first attempts wait for this time; NULL: they are made at once.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE message
    DROP COLUMN content_type,
    DROP COLUMN deliver_at;
