-- The outbox: messages that an application of the same database sends with a plain INSERT, in the
-- transaction in which it changes its own data, so that neither can be without the other. Consumers take
-- rows out in the order of their ids and store them as messages in the same transaction: each once.
-- What is wrong with a row by itself is refused when it is inserted, by the constraints; what turns out
-- to be wrong later, such as an application that does not exist, goes to outbox_dead_letter.
--
-- Whoever writes to it needs the right to insert into this one table, or to call message_send, which
-- does no more than that, with the rights of its caller:
--
--     GRANT INSERT ON outbox TO shop;
--
-- The table is empty but for the last moment. Like delivery it is vacuumed by the number of dead rows
-- and not by their share. If it grows, no process consumes.
--
-- New tables and a function only: nothing to wait for, nothing to undo by hand if it stops halfway. The
-- release before this one leaves what is inserted where it is.

-- migrate:up
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY,
    org_id text COLLATE "C" NOT NULL DEFAULT 'org_23rb8YdGqMT0qIzpgGwdXfHirMu',
    application text COLLATE "C" NOT NULL,
    event_type text NOT NULL,
    payload text NOT NULL,
    event_id text COLLATE "C",
    channels text[],
    tags text[],
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_org_id_check CHECK (
        org_id LIKE 'org\_%' AND octet_length(org_id) <= 256 AND org_id <> 'org_00000000000OperationalWebhook'
    ),
    CONSTRAINT outbox_application_check CHECK (application ~ '^[a-zA-Z0-9_.-]+$' AND octet_length(application) <= 256),
    CONSTRAINT outbox_event_type_check CHECK (event_type ~ '^[a-zA-Z0-9_.-]+$' AND octet_length(event_type) <= 256),
    CONSTRAINT outbox_event_id_check CHECK (
        event_id ~ '^[a-zA-Z0-9_.-]+$' AND octet_length(event_id) <= 256 AND event_id NOT LIKE 'msg\_%'
    ),
    CONSTRAINT outbox_payload_check CHECK (octet_length(payload) <= 2097152 AND json_typeof(payload::json) = 'object')
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000
);

COMMENT ON TABLE outbox IS 'Messages that applications of this database send with a plain INSERT. Consumers take them out at once.';
COMMENT ON COLUMN outbox.id IS 'The order in which they are stored, as far as they are committed.';
COMMENT ON COLUMN outbox.org_id IS 'The organisation that sends it; by default the one that tokens are for unless they name another.';
COMMENT ON COLUMN outbox.application IS 'The id or uid of the application it is sent to.';
COMMENT ON COLUMN outbox.payload IS 'A JSON object of at most 2 MiB, which is signed and sent to the byte, but for white space around it.';
COMMENT ON COLUMN outbox.event_id IS 'The sender''s own name for it; unique in the application.';
COMMENT ON COLUMN outbox.traceparent IS 'The trace it is part of, as in the W3C''s header of that name.';
COMMENT ON COLUMN outbox.created_at IS 'When its transaction began. Old ones mean that no process consumes.';

CREATE TABLE outbox_dead_letter (
    id bigint NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    application text COLLATE "C" NOT NULL,
    event_type text NOT NULL,
    payload text NOT NULL,
    event_id text COLLATE "C",
    channels text[],
    tags text[],
    traceparent text,
    created_at timestamptz NOT NULL,
    reason text NOT NULL,
    refused_at timestamptz NOT NULL,
    CONSTRAINT outbox_dead_letter_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE outbox_dead_letter IS 'What was taken out of the outbox and could not be sent. It stays until somebody deletes it, or inserts it into the outbox again.';
COMMENT ON COLUMN outbox_dead_letter.id IS 'The id that it had in the outbox.';
COMMENT ON COLUMN outbox_dead_letter.reason IS 'Why it could not be sent.';

CREATE FUNCTION message_send(
    application text,
    event_type text,
    payload text,
    event_id text DEFAULT NULL,
    channels text[] DEFAULT NULL,
    tags text[] DEFAULT NULL,
    traceparent text DEFAULT NULL,
    org_id text DEFAULT 'org_23rb8YdGqMT0qIzpgGwdXfHirMu'
) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
    VALUES (
        message_send.org_id, message_send.application, message_send.event_type, message_send.payload,
        message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent
    );
END;

COMMENT ON FUNCTION message_send(text, text, text, text, text[], text[], text, text) IS 'Sends a message when the transaction commits: SELECT message_send(''acme'', ''invoice.paid'', ''{"amount": 42}''). It inserts into the outbox, with the rights of its caller.';

-- migrate:down
DROP FUNCTION message_send(text, text, text, text, text[], text[], text, text);
DROP TABLE outbox_dead_letter;
DROP TABLE outbox;
