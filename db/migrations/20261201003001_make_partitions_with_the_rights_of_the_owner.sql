-- partition_create() makes partitions for a role that may not change the schema, and never keeps others waiting.
--
-- It runs with the rights of its owner, who owns the tables. So it takes no table but message and attempt, no name but
-- that of a day, and no bounds but ids, and nobody may call it who was not granted that. `postrider roles` grants it to
-- the role of the application. Whoever owns the function needs no grant. A new partition takes no rights over from the
-- default privileges of its owner: what a role may do with it, the table says.
--
-- Attaching a partition needs the default partition to itself for a moment. Whoever waits for that is in the way of
-- everybody who comes later and only reads: behind a pg_dump, all of them waited for 2 s. It now waits no longer than
-- 20 ms, which is enough for statements of the service to end, and then fails with lock_not_available (55P03). The
-- service tries again, and partitions are made weeks ahead. The lock on the table itself lets everybody read and write.
--
-- A function only: no table is locked. If it stops halfway, nothing has changed; run it again. The release before this
-- one reports the failure and tries again after a minute.

-- migrate:up
CREATE OR REPLACE FUNCTION partition_create(parent text, suffix text, lower_id text, upper_id text) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET lock_timeout = '2s'
AS $$
DECLARE
    prefix text := CASE parent WHEN 'message' THEN 'msg' WHEN 'attempt' THEN 'atmpt' END;
    partition text := parent || '_' || suffix;
    fallback text := parent || '_default';
    grantee text;
BEGIN
    IF prefix IS NULL
        OR suffix !~ '^[0-9]{8}$'
        OR lower_id !~ ('^' || prefix || '_[0-9A-Za-z]{27}$')
        OR upper_id !~ ('^' || prefix || '_([0-9A-Za-z]{27}|~)$')
        OR lower_id COLLATE "C" >= upper_id COLLATE "C"
        OR num_nulls(suffix, lower_id, upper_id) > 0
    THEN
        RAISE EXCEPTION 'partition_create: % with ids from % to % is not a partition of message or attempt',
            partition, lower_id, upper_id USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass(quote_ident(partition)) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- Processes that start together all want the same partitions: one makes them, the others look again, in the table:
    -- to_regclass() may remember from above that there was none.
    PERFORM pg_advisory_xact_lock(7075190346);
    IF EXISTS (
        SELECT
        FROM pg_class
        WHERE pg_class.relname = partition
            AND pg_class.relnamespace = to_regnamespace(quote_ident(current_schema()))
    ) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', partition, parent);
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END
        FROM pg_class
        CROSS JOIN LATERAL aclexplode(pg_class.relacl) AS acl
        WHERE pg_class.oid = to_regclass(quote_ident(partition))
            AND acl.grantee <> pg_class.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %I FROM %s', partition, grantee);
    END LOOP;
    -- In this order: what may take longer to get delays nobody who reads or writes.
    EXECUTE format('LOCK TABLE ONLY %I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    PERFORM set_config('lock_timeout', '20ms', true);
    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', fallback);
    EXECUTE format(
        'WITH caught AS (DELETE FROM %I WHERE id >= %L AND id < %L RETURNING *) INSERT INTO %I SELECT * FROM caught',
        fallback, lower_id, upper_id, partition
    );
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, lower_id, upper_id);
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION partition_create(text, text, text, text) FROM PUBLIC;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION partition_create(text, text, text, text) SET search_path = %I, pg_temp', current_schema());
END
$$;

COMMENT ON FUNCTION partition_create(text, text, text, text) IS
    'Makes the partition PARENT_SUFFIX for ids from LOWER_ID up to but not UPPER_ID, with the rows the default partition caught. Suffix: the Monday on which it begins, as 20261130. False: it is there already. Fails with lock_not_available if somebody uses the default partition for longer than 20 ms: try again later.';

-- migrate:down
CREATE OR REPLACE FUNCTION partition_create(parent text, suffix text, lower_id text, upper_id text) RETURNS boolean
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

GRANT EXECUTE ON FUNCTION partition_create(text, text, text, text) TO PUBLIC;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION partition_create(text, text, text, text) SET search_path = %I, pg_temp', current_schema());
END
$$;

COMMENT ON FUNCTION partition_create(text, text, text, text) IS
    'Makes the partition PARENT_SUFFIX for ids from LOWER_ID up to but not UPPER_ID, with the rows the default partition caught. False: it is there already.';
