-- The order of deliveries to FIFO endpoints is kept by one lock for each application, not one for each endpoint.
-- Postgres has room for max_locks_per_transaction locks a connection, 6,400 in all by default. A message to an
-- application with more FIFO endpoints than that failed with "out of shared memory", and with it the messages
-- that other applications had in the same statement.
--
-- Statements that store deliveries of several applications take these locks in the order of the applications.
--
-- A function only: no table is locked. What stores deliveries while this runs still holds the old locks, and may be
-- numbered beside a transaction that holds the new ones: in that moment the order of two such transactions is that of
-- their statements. If it stops halfway, nothing has changed; run it again.

-- migrate:up
CREATE OR REPLACE FUNCTION delivery_number() RETURNS trigger
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

-- migrate:down
CREATE OR REPLACE FUNCTION delivery_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.endpoint_id, 0));
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
