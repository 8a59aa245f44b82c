-- Idempotency keys: the answer that the first request with a key got, for those that come after it.
-- The row is inserted before the work and in its transaction, so that a twin, which inserts the same
-- key, waits for the first to end. Messages have their own table, message_key, which is smaller.
--
-- There is no index on created_at: the jobs find what has outlived its 12 hours by reading the table
-- from end to end, a slice at a time, and no request pays for another index.
--
-- A new table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE idempotency_key (
    org_id text COLLATE "C" NOT NULL,
    key_hash bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_key_pkey PRIMARY KEY (org_id, key_hash),
    CONSTRAINT idempotency_key_key_hash_check CHECK (octet_length(key_hash) = 32),
    CONSTRAINT idempotency_key_status_check CHECK (status = 0 OR status BETWEEN 200 AND 299)
);

COMMENT ON TABLE idempotency_key IS 'The answers to POST requests that came with an idempotency key, each for 12 hours. Those to messages are in message_key.';
COMMENT ON COLUMN idempotency_key.key_hash IS 'SHA-256 of what the token may do, the method, path and query, and the key.';
COMMENT ON COLUMN idempotency_key.status IS 'HTTP status of the answer; 0 inside the transaction that works on it, which nobody else sees.';
COMMENT ON COLUMN idempotency_key.body IS 'The answer''s exact bytes; empty if it had none.';

-- migrate:down
DROP TABLE idempotency_key;
