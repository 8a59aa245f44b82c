-- Messages: the events that were sent, as they were sent. Append-only, and partitioned by id, which
-- is by time: retention is dropping a partition, and a look-up by id touches one of them.
--
-- What must be unique over all time (event ids, idempotency keys) cannot be a constraint of a table
-- that is partitioned by something else, so each has a small table of its own, written in the same
-- statement as the message.
--
-- There is no foreign key to application: the one statement that writes here takes app_id from the
-- application's row, applications are never deleted for good, and a check per row is paid per event.
--
-- New tables only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE message (
    app_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C",
    event_type text NOT NULL,
    channels text[],
    tags text[],
    payload text,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT message_pkey PRIMARY KEY (app_id, id)
) PARTITION BY RANGE (id);

CREATE TABLE message_default PARTITION OF message DEFAULT;

CREATE TABLE message_event_id (
    app_id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    CONSTRAINT message_event_id_pkey PRIMARY KEY (app_id, event_id)
);

CREATE TABLE message_key (
    app_id text COLLATE "C" NOT NULL,
    key_hash bytea NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT message_key_pkey PRIMARY KEY (app_id, key_hash),
    CONSTRAINT message_key_key_hash_check CHECK (octet_length(key_hash) = 32)
);

COMMENT ON TABLE message IS 'An event an organisation sent to an application. Append-only; a partition a week.';
COMMENT ON COLUMN message.event_id IS 'The sender''s own name for it; unique in the application by message_event_id.';
COMMENT ON COLUMN message.payload IS 'The sender''s exact bytes, which are what is signed and sent; NULL once expunged.';
COMMENT ON COLUMN message.expires_at IS 'From then on the payload is neither shown nor sent.';
COMMENT ON TABLE message_default IS 'Catches messages of a time that has no partition, so that none is ever refused. The jobs move them to one of their own.';
COMMENT ON TABLE message_event_id IS 'Makes event ids unique in an application, over all partitions.';
COMMENT ON TABLE message_key IS 'The idempotency keys messages were sent with, each for 12 hours.';
COMMENT ON COLUMN message_key.key_hash IS 'SHA-256 of the key.';

-- migrate:down
DROP TABLE message_key;
DROP TABLE message_event_id;
DROP TABLE message;
