-- Attempts: what came of each try. Append-only and partitioned like message.
--
-- The primary key leads with the message, so that it serves the attempts of a message as well as one
-- attempt, which the API only ever asks for by its message. The other indexes serve an endpoint's:
--
-- - by status, because failures are looked for among a thousand times as many successes. A list of
--   all attempts reads one range for each status, so no index without the status is needed.
-- - by message, for the list of messages attempted at an endpoint. Every attempt pays for this index,
--   so it holds no more than it must: ids of endpoints are unique without the application.
-- - by message, failures alone: few among many, so successful attempts cost nothing.
--
-- All of them are made with the table, while it is empty. On a partitioned table Postgres cannot build
-- an index CONCURRENTLY; built later in one transaction, they blocked the recording of attempts for
-- 18 s at 5.5 million rows. A migration that adds another index must build it CONCURRENTLY on each
-- partition first.
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

CREATE INDEX attempt_app_id_endpoint_id_status_id_idx ON attempt (app_id, endpoint_id, status, id);
CREATE INDEX attempt_endpoint_id_message_id_idx ON attempt (endpoint_id, message_id);
CREATE INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx ON attempt (app_id, endpoint_id, message_id, id) WHERE status = 2;

CREATE TABLE attempt_default PARTITION OF attempt DEFAULT;

COMMENT ON TABLE attempt IS 'One try to deliver one message to one endpoint. Append-only; a partition a week.';
COMMENT ON COLUMN attempt.url IS 'Where it went: the endpoint''s address at that time.';
COMMENT ON COLUMN attempt.status IS '0 success, 2 failure: the numbers of the API.';
COMMENT ON COLUMN attempt.response_status_code IS '0: there was no response.';
COMMENT ON COLUMN attempt.response IS 'The first 20,000 bytes of the response''s body, in base64 where they are not text; without a response, why there was none.';
COMMENT ON COLUMN attempt.trigger IS '0 scheduled, 1 manual: the numbers of the API.';
COMMENT ON TABLE attempt_default IS 'Catches attempts of a time that has no partition, so that none is ever refused. The jobs move them to one of their own.';
COMMENT ON INDEX attempt_app_id_endpoint_id_status_id_idx IS 'The attempts at an endpoint that have a status, newest first.';
COMMENT ON INDEX attempt_endpoint_id_message_id_idx IS 'The messages that were attempted at an endpoint.';
COMMENT ON INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx IS 'The messages of which an attempt at an endpoint failed.';

-- migrate:down
DROP TABLE attempt;
