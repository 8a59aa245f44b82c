-- Deliveries: the queue. A row exists exactly while a message is owed to an endpoint, so the table is
-- as small as the backlog, and hot: most rows live for milliseconds.
--
-- It is vacuumed by the number of dead rows and not by their share, without pauses: dead rows at the
-- front of the index are what makes a queue in Postgres slow. There are no foreign keys, for the
-- reason given with message; a delivery whose endpoint or payload is gone is dropped when claimed.
--
-- What is owed to an endpoint waits in one of four queues, so that none of them waits for another to be
-- empty: first attempts, retries, for a FIFO endpoint the deliveries that are made in order, and what has
-- to wait for an earlier delivery of its lane. The index begins with the queue, so that a look-up of one
-- delivery cannot be planned by it: made while the table was empty, such a plan read all that was owed to
-- the endpoint ever after.
--
-- Somebody may ask for an attempt by hand (resend, recover): one attempt, and no retries of its own. Where
-- the delivery was owed anyway, it goes on by its schedule if that attempt fails.
--
-- Operational webhooks of one subject reach an endpoint in the order of their events. A delivery that has
-- a subject belongs to a lane, that of its endpoint and subject. The first of a lane is delivered as any
-- other; those behind it wait until the first is over.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE SEQUENCE delivery_seq;

CREATE TABLE delivery (
    app_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    lease bigint NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    manual boolean NOT NULL DEFAULT false,
    resume_at timestamptz,
    queue smallint NOT NULL DEFAULT 0,
    seq bigint,
    subject text COLLATE "C",
    place bigint,
    CONSTRAINT delivery_pkey PRIMARY KEY (app_id, message_id, endpoint_id),
    CONSTRAINT delivery_attempts_check CHECK (attempts >= 0),
    CONSTRAINT delivery_queue_check CHECK (queue BETWEEN 0 AND 3),
    CONSTRAINT delivery_seq_check CHECK ((queue = 2) = (seq IS NOT NULL)),
    CONSTRAINT delivery_subject_place_check CHECK ((subject IS NULL) = (place IS NULL))
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000
);

CREATE INDEX delivery_queue_endpoint_id_due_at_idx ON delivery (queue, endpoint_id, due_at);
CREATE INDEX delivery_endpoint_id_seq_idx ON delivery (endpoint_id, seq) WHERE queue = 2;
CREATE INDEX delivery_endpoint_id_subject_place_idx ON delivery (endpoint_id, subject, place) WHERE subject IS NOT NULL;

COMMENT ON SEQUENCE delivery_seq IS 'Numbers the deliveries to FIFO endpoints.';
COMMENT ON TABLE delivery IS 'A message still owed to an endpoint. Deleted when it has arrived or is given up.';
COMMENT ON COLUMN delivery.due_at IS 'When it may be claimed. Claiming moves it ahead by the lease: a worker that dies is forgotten once it passes.';
COMMENT ON COLUMN delivery.lease IS 'Counts the claims; a result is taken only from the one that still holds the number. 0: never claimed.';
COMMENT ON COLUMN delivery.attempts IS 'How many attempts have failed.';
COMMENT ON COLUMN delivery.manual IS 'The next attempt was asked for by hand.';
COMMENT ON COLUMN delivery.resume_at IS 'When the schedule goes on if that attempt fails; NULL: it does not.';
COMMENT ON COLUMN delivery.queue IS '0: first attempts, and what was asked for by hand; 1: retries; 2: in order, to a FIFO endpoint; 3: waits until those before it in its lane are over.';
COMMENT ON COLUMN delivery.seq IS 'The place in the order of a FIFO endpoint, which is the order of the commits; NULL in the other queues.';
COMMENT ON COLUMN delivery.subject IS 'With endpoint_id, the lane of an operational webhook: those of one lane are delivered one after the other. NULL: it has none.';
COMMENT ON COLUMN delivery.place IS 'The place in its lane: the id of the operational event. NULL without a subject.';
COMMENT ON INDEX delivery_queue_endpoint_id_due_at_idx IS 'Claims go from queue to queue, and take from each what is due.';
COMMENT ON INDEX delivery_endpoint_id_seq_idx IS 'The next delivery to a FIFO endpoint.';
COMMENT ON INDEX delivery_endpoint_id_subject_place_idx IS 'The first delivery of a lane, and the next lane.';

-- migrate:down
DROP TABLE delivery;
-- 20261201001001 brings the function back on the way down.
DROP FUNCTION IF EXISTS delivery_number();
DROP SEQUENCE delivery_seq;
