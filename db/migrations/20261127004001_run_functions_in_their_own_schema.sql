-- Functions find their tables and sequences whatever the search_path of their caller. pg_restore and psql
-- load a dump under an empty one, and a dump of data alone is loaded into tables that have their triggers:
-- delivery_number() found no sequence, COPY stopped, and nothing that was owed was restored.
-- partition_create() failed the same way for a DBA who called it with a path without this schema, and took
-- tables of the same names from a schema that comes first. message_send() needs nothing: its body is parsed
-- when it is created.
--
-- delivery_number() leaves a number that is given, as COPY gives it: the rows of a dump come in the order of
-- the table, which is not that of the deliveries. A dump sets the sequence, too.
--
-- Not SET search_path FROM CURRENT: the path may hold "$user", which is somebody else when a DBA calls. If
-- the schema is renamed, set the path anew, by the statements below.
--
-- Functions only: no table is locked. If it stops halfway, nothing has changed; run it again.

-- migrate:up
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
    EXECUTE format('ALTER FUNCTION partition_create(text, text, text, text) SET search_path = %I, pg_temp', current_schema());
END
$$;

COMMENT ON FUNCTION delivery_number() IS 'Gives a delivery to a FIFO endpoint its place in the order, which is that of the commits, unless it has one, as in a dump.';

-- migrate:down
ALTER FUNCTION partition_create(text, text, text, text) RESET search_path;

CREATE OR REPLACE FUNCTION delivery_number() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.endpoint_id, 0));
    NEW.seq := nextval('delivery_seq');
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION delivery_number() IS 'Gives a delivery to a FIFO endpoint its place in the order, which is that of the commits.';
