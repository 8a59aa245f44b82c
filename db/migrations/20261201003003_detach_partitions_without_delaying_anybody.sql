-- partition_detach() takes a week out of message or attempt, so that it can be archived or dropped. Both ALTER TABLE
-- ... DETACH PARTITION and DROP TABLE of a partition need the whole table to themselves: behind a pg_dump, everybody
-- waited with them. With a default partition, Postgres refuses to detach one concurrently. The function waits no
-- longer than 20 ms for each of its three locks, and then fails with lock_not_available (55P03).
--
-- It is for the owner of the tables, with whose rights it does not run: the service drops no partitions.
--
-- A new function only: no table is locked. If it stops halfway, nothing has changed; run it again.

-- migrate:up
CREATE FUNCTION partition_detach(parent text, suffix text) RETURNS text
LANGUAGE plpgsql
SET lock_timeout = '20ms'
AS $$
DECLARE
    partition text := parent || '_' || suffix;
BEGIN
    IF parent IS NULL OR parent NOT IN ('message', 'attempt') OR suffix IS NULL OR suffix !~ '^[0-9]{8}$' THEN
        RAISE EXCEPTION 'partition_detach: % is not a partition of message or attempt', partition
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, partition);
    RETURN partition;
END
$$;

REVOKE ALL ON FUNCTION partition_detach(text, text) FROM PUBLIC;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION partition_detach(text, text) SET search_path = %I, pg_temp', current_schema());
END
$$;

COMMENT ON FUNCTION partition_detach(text, text) IS
    'Takes the partition PARENT_SUFFIX out of message or attempt, and returns its name: a table that can be archived and dropped without delaying anybody. Fails with lock_not_available if somebody uses the table for longer than 20 ms: try again.';

-- migrate:down
DROP FUNCTION partition_detach(text, text);
