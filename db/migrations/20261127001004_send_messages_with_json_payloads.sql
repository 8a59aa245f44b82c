-- message_send takes its payload as json or jsonb, too, as json_build_object and to_jsonb make it.
-- A payload of json keeps its text; one of jsonb is what Postgres writes.
--
-- A literal or parameter without a type is still text, Postgres's preferred type. Each function
-- inserts by itself: one that called the first would need the right to execute both, where PUBLIC
-- has been denied that.
--
-- GRANT, REVOKE and DROP have to name the arguments from now on: there are three functions of
-- that name. New functions only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
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

COMMENT ON FUNCTION message_send(text, text, json, text, text[], text[], text, text) IS 'As the function of that name for text. The payload is sent as it is written.';
COMMENT ON FUNCTION message_send(text, text, jsonb, text, text[], text[], text, text) IS 'As the function of that name for text. The payload is sent as Postgres writes it.';

-- migrate:down
DROP FUNCTION message_send(text, text, jsonb, text, text[], text[], text, text);
DROP FUNCTION message_send(text, text, json, text, text[], text[], text, text);
