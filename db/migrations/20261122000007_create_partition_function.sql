-- The function that makes partitions of message and attempt. It is here and not in the program
-- because its statements need table names put together at run time, and a DBA can call it too.
--
-- A new partition first takes over the rows of its range that the default partition caught, then is
-- attached. Attaching does not stop reads or writes of the other partitions; the default one is
-- locked for the moment it takes, and it is empty unless nobody made partitions in time.
--
-- New function only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE FUNCTION partition_create(parent text, suffix text, lower_id text, upper_id text) RETURNS boolean
LANGUAGE plpgsql
SET lock_timeout = '2s'
AS $$
DECLARE
    partition text := parent || '_' || suffix;
    fallback text := parent || '_default';
BEGIN
    -- Processes that start together all want the same partitions: one makes them, the others look again.
    PERFORM pg_advisory_xact_lock(7075190346);
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', fallback);
    EXECUTE format(
        'WITH caught AS (DELETE FROM %I WHERE id >= %L AND id < %L RETURNING *) INSERT INTO %I SELECT * FROM caught',
        fallback, lower_id, upper_id, partition
    );
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, lower_id, upper_id);
    RETURN true;
END
$$;

COMMENT ON FUNCTION partition_create(text, text, text, text) IS
    'Makes the partition PARENT_SUFFIX for ids from LOWER_ID up to but not UPPER_ID, with the rows the default partition caught. False: it is there already.';

-- migrate:down
DROP FUNCTION partition_create(text, text, text, text);
