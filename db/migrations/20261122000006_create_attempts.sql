-- Attempts: what came of each try. Append-only and partitioned like message.
--
-- The primary key leads with the message, so that it serves the attempts of a message as well as one
-- attempt, which the API only ever asks for by its message; the other index serves an endpoint's.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE attempt (
    app_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    url text NOT NULL,
    status smallint NOT NULL,
    response_status_code smallint NOT NULL,
    response text NOT NULL,
    duration_ms bigint NOT NULL,
    trigger smallint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT attempt_pkey PRIMARY KEY (app_id, message_id, id),
    CONSTRAINT attempt_status_check CHECK (status IN (0, 2)),
    CONSTRAINT attempt_trigger_check CHECK (trigger IN (0, 1))
) PARTITION BY RANGE (id);

CREATE INDEX attempt_app_id_endpoint_id_id_idx ON attempt (app_id, endpoint_id, id);

CREATE TABLE attempt_default PARTITION OF attempt DEFAULT;

COMMENT ON TABLE attempt IS 'One try to deliver one message to one endpoint. Append-only; a partition a week.';
COMMENT ON COLUMN attempt.url IS 'Where it went: the endpoint''s address at that time.';
COMMENT ON COLUMN attempt.status IS '0 success, 2 failure: the numbers of the API.';
COMMENT ON COLUMN attempt.response_status_code IS '0: there was no response.';
COMMENT ON COLUMN attempt.response IS 'The first 20,000 bytes of the response''s body, in base64 where they are not text; without a response, why there was none.';
COMMENT ON COLUMN attempt.trigger IS '0 scheduled, 1 manual: the numbers of the API.';
COMMENT ON TABLE attempt_default IS 'Catches attempts of a time that has no partition, so that none is ever refused. The jobs move them to one of their own.';
COMMENT ON INDEX attempt_app_id_endpoint_id_id_idx IS 'The attempts at an endpoint, newest first.';

-- migrate:down
DROP TABLE attempt;
