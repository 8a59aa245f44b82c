-- message_send returns the id of its row in the outbox. A row that cannot be sent keeps that id in
-- outbox_dead_letter, so a producer that stores it can tell what became of its message.
--
-- A producer may insert into the outbox and read nothing, so INSERT ... RETURNING is refused to it, and so is
-- currval() of the sequence. outbox_id_last() reads the sequence with the rights of its owner. Everybody may call it:
-- it knows only the ids that the caller's own session inserted. It needs no search_path of its own, because its body
-- is parsed when it is created. Where PUBLIC may not execute new functions, a producer needs the right to execute
-- both.
--
-- The functions also take the organisation from the setting postrider.org_id, like the column (20261201003004).
--
-- The type that a function returns can only be changed by creating it anew. Rights to execute the three functions that
-- were granted by name have to be granted again. If views or functions with a body between BEGIN ATOMIC and END call
-- message_send, this stops, and names them: drop them, migrate, and create them again. Calls that ignore the result
-- work as before. Functions only: no table is locked, and nothing has changed if it stops halfway.

-- migrate:up
DROP FUNCTION message_send(text, text, jsonb, text, text[], text[], text, text);
DROP FUNCTION message_send(text, text, json, text, text[], text[], text, text);
DROP FUNCTION message_send(text, text, text, text, text[], text[], text, text);

CREATE FUNCTION outbox_id_last() RETURNS bigint
LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT currval('outbox_id_seq');
END;

COMMENT ON FUNCTION outbox_id_last() IS 'The id of the row of the outbox that this session inserted last, for sessions that may not read the outbox.';

CREATE FUNCTION message_send(
    application text,
    event_type text,
    payload text,
    event_id text DEFAULT NULL,
    channels text[] DEFAULT NULL,
    tags text[] DEFAULT NULL,
    traceparent text DEFAULT NULL,
    org_id text DEFAULT coalesce(nullif(current_setting('postrider.org_id', true), ''), 'org_23rb8YdGqMT0qIzpgGwdXfHirMu')
) RETURNS bigint
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
    VALUES (
        message_send.org_id, message_send.application, message_send.event_type, message_send.payload,
        message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent
    );
    SELECT outbox_id_last();
END;

CREATE FUNCTION message_send(
    application text,
    event_type text,
    payload json,
    event_id text DEFAULT NULL,
    channels text[] DEFAULT NULL,
    tags text[] DEFAULT NULL,
    traceparent text DEFAULT NULL,
    org_id text DEFAULT coalesce(nullif(current_setting('postrider.org_id', true), ''), 'org_23rb8YdGqMT0qIzpgGwdXfHirMu')
) RETURNS bigint
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
    VALUES (
        message_send.org_id, message_send.application, message_send.event_type, message_send.payload::text,
        message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent
    );
    SELECT outbox_id_last();
END;

CREATE FUNCTION message_send(
    application text,
    event_type text,
    payload jsonb,
    event_id text DEFAULT NULL,
    channels text[] DEFAULT NULL,
    tags text[] DEFAULT NULL,
    traceparent text DEFAULT NULL,
    org_id text DEFAULT coalesce(nullif(current_setting('postrider.org_id', true), ''), 'org_23rb8YdGqMT0qIzpgGwdXfHirMu')
) RETURNS bigint
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO outbox (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
    VALUES (
        message_send.org_id, message_send.application, message_send.event_type, message_send.payload::text,
        message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent
    );
    SELECT outbox_id_last();
END;

COMMENT ON FUNCTION message_send(text, text, text, text, text[], text[], text, text) IS 'Sends a message when the transaction commits: SELECT message_send(''acme'', ''invoice.paid'', ''{"amount": 42}''). It inserts into the outbox, with the rights of its caller, and returns the id of the row.';
COMMENT ON FUNCTION message_send(text, text, json, text, text[], text[], text, text) IS 'As the function of that name for text. The payload is sent as it is written.';
COMMENT ON FUNCTION message_send(text, text, jsonb, text, text[], text[], text, text) IS 'As the function of that name for text. The payload is sent as Postgres writes it.';

-- migrate:down
DROP FUNCTION message_send(text, text, jsonb, text, text[], text[], text, text);
DROP FUNCTION message_send(text, text, json, text, text[], text[], text, text);
DROP FUNCTION message_send(text, text, text, text, text[], text[], text, text);
DROP FUNCTION outbox_id_last();

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

CREATE FUNCTION message_send(
    application text,
    event_type text,
    payload json,
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
        message_send.org_id, message_send.application, message_send.event_type, message_send.payload::text,
        message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent
    );
END;

CREATE FUNCTION message_send(
    application text,
    event_type text,
    payload jsonb,
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
        message_send.org_id, message_send.application, message_send.event_type, message_send.payload::text,
        message_send.event_id, message_send.channels, message_send.tags, message_send.traceparent
    );
END;

COMMENT ON FUNCTION message_send(text, text, text, text, text[], text[], text, text) IS 'Sends a message when the transaction commits: SELECT message_send(''acme'', ''invoice.paid'', ''{"amount": 42}''). It inserts into the outbox, with the rights of its caller.';
COMMENT ON FUNCTION message_send(text, text, json, text, text[], text[], text, text) IS 'As the function of that name for text. The payload is sent as it is written.';
COMMENT ON FUNCTION message_send(text, text, jsonb, text, text[], text[], text, text) IS 'As the function of that name for text. The payload is sent as Postgres writes it.';
