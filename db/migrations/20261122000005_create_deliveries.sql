-- Deliveries: the queue. A row exists exactly while a message is owed to an endpoint, so the table is
-- as small as the backlog, and hot: most rows live for milliseconds.
--
-- It is vacuumed by the number of dead rows and not by their share, without pauses: dead rows at the
-- front of the index are what makes a queue in Postgres slow. There are no foreign keys, for the
-- reason given with message; a delivery whose endpoint or payload is gone is dropped when claimed.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE delivery (
    app_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    lease bigint NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    CONSTRAINT delivery_pkey PRIMARY KEY (app_id, message_id, endpoint_id),
    CONSTRAINT delivery_attempts_check CHECK (attempts >= 0)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000
);

CREATE INDEX delivery_endpoint_id_due_at_idx ON delivery (endpoint_id, due_at);

COMMENT ON TABLE delivery IS 'A message still owed to an endpoint. Deleted when it has arrived or is given up.';
COMMENT ON COLUMN delivery.due_at IS 'When it may be claimed. Claiming moves it ahead by the lease: a worker that dies is forgotten once it passes.';
COMMENT ON COLUMN delivery.lease IS 'Counts the claims; a result is taken only from the one that still holds the number. 0: never claimed.';
COMMENT ON COLUMN delivery.attempts IS 'How many attempts have failed.';
COMMENT ON INDEX delivery_endpoint_id_due_at_idx IS 'Claims go from endpoint to endpoint, and take from each what is due.';

-- migrate:down
DROP TABLE delivery;
