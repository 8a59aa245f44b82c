-- What is owed to an endpoint waits in up to three queues: first attempts, retries, and for a FIFO
-- endpoint the deliveries that are made in order. Claims go from queue to queue, so that none of them
-- waits for another to be empty. Each delivery is in one range of one index, as before; the second
-- index holds those of FIFO endpoints alone. The index begins with the queue, so that a look-up of one
-- delivery cannot be planned by it: made while the table was empty, such a plan read all that was owed
-- to the endpoint ever after.
--
-- The table is locked while its indexes are built: it is as large as the backlog, some seconds for a
-- million deliveries. If it stops halfway, nothing has changed; run it again. Processes of the release
-- before this one go on: their retries count as first attempts, their claims sort what they find, and
-- they know no order, so make FIFO endpoints once all processes are of this release.

-- migrate:up
SET LOCAL lock_timeout = '2s';

CREATE SEQUENCE delivery_seq;

ALTER TABLE delivery
    ADD COLUMN queue smallint NOT NULL DEFAULT 0,
    ADD COLUMN seq bigint,
    ADD CONSTRAINT delivery_queue_check CHECK (queue BETWEEN 0 AND 2),
    ADD CONSTRAINT delivery_seq_check CHECK ((queue = 2) = (seq IS NOT NULL));

-- One transaction at a time numbers deliveries to an endpoint, and keeps the others waiting until it has
-- committed: whoever sees a number sees all before it.
CREATE FUNCTION delivery_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.endpoint_id, 0));
    NEW.seq := nextval('delivery_seq');
    RETURN NEW;
END
$$;

CREATE TRIGGER delivery_number
    BEFORE INSERT ON delivery
    FOR EACH ROW WHEN (NEW.queue = 2)
    EXECUTE FUNCTION delivery_number();

CREATE INDEX delivery_queue_endpoint_id_due_at_idx ON delivery (queue, endpoint_id, due_at);
CREATE INDEX delivery_endpoint_id_seq_idx ON delivery (endpoint_id, seq) WHERE queue = 2;
DROP INDEX delivery_endpoint_id_due_at_idx;

COMMENT ON SEQUENCE delivery_seq IS 'Numbers the deliveries to FIFO endpoints.';
COMMENT ON FUNCTION delivery_number IS 'Gives a delivery to a FIFO endpoint its place in the order, which is that of the commits.';
COMMENT ON COLUMN delivery.queue IS '0: first attempts, and what was asked for by hand; 1: retries; 2: in order, to a FIFO endpoint.';
COMMENT ON COLUMN delivery.seq IS 'The place in the order of a FIFO endpoint, which is the order of the commits; NULL in the other queues.';
COMMENT ON INDEX delivery_queue_endpoint_id_due_at_idx IS 'Claims go from queue to queue, and take from each what is due.';
COMMENT ON INDEX delivery_endpoint_id_seq_idx IS 'The next delivery to a FIFO endpoint.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

DROP TRIGGER delivery_number ON delivery;
DROP FUNCTION delivery_number;
CREATE INDEX delivery_endpoint_id_due_at_idx ON delivery (endpoint_id, due_at);
DROP INDEX delivery_endpoint_id_seq_idx;
DROP INDEX delivery_queue_endpoint_id_due_at_idx;

ALTER TABLE delivery
    DROP COLUMN queue,
    DROP COLUMN seq;

DROP SEQUENCE delivery_seq;

COMMENT ON INDEX delivery_endpoint_id_due_at_idx IS 'Claims go from endpoint to endpoint, and take from each what is due.';
