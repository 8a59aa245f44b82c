-- Citus refuses triggers on tables, and a schema should be able to move into a Citus cluster (docs/adr/0021-cells.md). The
-- statements that insert deliveries to FIFO endpoints now number them, from the same sequence and under the same lock of the
-- application as the trigger. Dumps hold the numbers, as before.
--
-- The release before this one gives no numbers. For its sake the column gets a default, and a number is allowed where none
-- is needed, because a default cannot look at the queue. Its messages keep their order: the statement that stores them takes
-- the lock itself. Its examples, resends, replays and recoveries are numbered without the lock: beside a message that is
-- stored in the same moment, their place is on either side of it, and a number that is committed after a higher one was
-- claimed may wait for the next sweep. Without the default, all of these would be refused, messages included, until the
-- last process of that release has stopped. A later release drops the default and makes the constraint strict again.
--
-- blocks writes to delivery: it is as small as the backlog, some seconds for a million deliveries
--
-- Adding the constraint reads the table once. Databases made by this release have no trigger to drop, because the migration
-- that made it was rewritten. If it stops halfway, nothing has changed; run it again.
--
-- The way down brings the trigger back, as the release before this one needs it, and removes numbers that it has no use for.

-- migrate:up
SET LOCAL lock_timeout = '2s';

DROP TRIGGER IF EXISTS delivery_number ON delivery;
DROP FUNCTION IF EXISTS delivery_number();

ALTER TABLE delivery DROP CONSTRAINT delivery_seq_check;
ALTER TABLE delivery ADD CONSTRAINT delivery_seq_check CHECK (queue <> 2 OR seq IS NOT NULL);
ALTER TABLE delivery ALTER COLUMN seq SET DEFAULT nextval('delivery_seq');

COMMENT ON COLUMN delivery.seq IS 'The place in the order of a FIFO endpoint, which is the order of the commits. Without a meaning in the other queues.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE delivery ALTER COLUMN seq DROP DEFAULT;
ALTER TABLE delivery DROP CONSTRAINT delivery_seq_check;
UPDATE delivery SET seq = NULL WHERE queue <> 2 AND seq IS NOT NULL;
ALTER TABLE delivery ADD CONSTRAINT delivery_seq_check CHECK ((queue = 2) = (seq IS NOT NULL));

CREATE FUNCTION delivery_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(format('%s delivery %s', current_schema(), NEW.app_id), 0));
        NEW.seq := nextval('delivery_seq');
    END IF;
    RETURN NEW;
END
$$;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION delivery_number() SET search_path = %I, pg_temp', current_schema());
END
$$;

CREATE TRIGGER delivery_number
    BEFORE INSERT ON delivery
    FOR EACH ROW WHEN (NEW.queue = 2)
    EXECUTE FUNCTION delivery_number();

COMMENT ON FUNCTION delivery_number() IS 'Gives a delivery to a FIFO endpoint its place in the order, which is that of the commits, unless it has one, as in a dump.';
COMMENT ON COLUMN delivery.seq IS 'The place in the order of a FIFO endpoint, which is the order of the commits; NULL in the other queues.';
