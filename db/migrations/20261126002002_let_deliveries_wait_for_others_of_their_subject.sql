-- Operational webhooks of one subject reach an endpoint in the order of their events. A delivery that has
-- a subject belongs to a lane, that of its endpoint and subject. The first of a lane is delivered as any
-- other; those behind it wait in a queue that is not claimed from, until the first is over.
--
-- The table is locked while it is read twice, for the constraint and for the index, which is empty: half
-- a second for a million deliveries. If it stops halfway, nothing has changed; run it again. Processes of
-- the release before this one claim from the new queue as from any: they deliver what waits in no order,
-- and do not let the next one go; the jobs of this release do that within some seconds.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE delivery
    ADD COLUMN subject text COLLATE "C",
    ADD COLUMN place bigint;

ALTER TABLE delivery DROP CONSTRAINT delivery_queue_check;
ALTER TABLE delivery ADD CONSTRAINT delivery_queue_check CHECK (queue BETWEEN 0 AND 3);
ALTER TABLE delivery ADD CONSTRAINT delivery_subject_place_check CHECK ((subject IS NULL) = (place IS NULL));

CREATE INDEX delivery_endpoint_id_subject_place_idx ON delivery (endpoint_id, subject, place) WHERE subject IS NOT NULL;

COMMENT ON COLUMN delivery.queue IS '0: first attempts, and what was asked for by hand; 1: retries; 2: in order, to a FIFO endpoint; 3: waits until those before it in its lane are over.';
COMMENT ON COLUMN delivery.subject IS 'With endpoint_id, the lane of an operational webhook: those of one lane are delivered one after the other. NULL: it has none.';
COMMENT ON COLUMN delivery.place IS 'The place in its lane: the id of the operational event. NULL without a subject.';
COMMENT ON INDEX delivery_endpoint_id_subject_place_idx IS 'The first delivery of a lane, and the next lane.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

DROP INDEX delivery_endpoint_id_subject_place_idx;

UPDATE delivery SET queue = 0 WHERE queue = 3;

ALTER TABLE delivery DROP CONSTRAINT delivery_subject_place_check;
ALTER TABLE delivery DROP CONSTRAINT delivery_queue_check;
ALTER TABLE delivery ADD CONSTRAINT delivery_queue_check CHECK (queue BETWEEN 0 AND 2);

ALTER TABLE delivery
    DROP COLUMN subject,
    DROP COLUMN place;

COMMENT ON COLUMN delivery.queue IS '0: first attempts, and what was asked for by hand; 1: retries; 2: in order, to a FIFO endpoint.';
