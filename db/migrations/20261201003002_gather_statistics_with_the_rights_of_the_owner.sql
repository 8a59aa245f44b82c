-- partition_analyze() gathers the statistics of a partitioned table for a role that does not own it. Autovacuum
-- does not, and Postgres has a privilege for ANALYZE only since its version 17.
--
-- It runs with the rights of its owner, takes no table but message and attempt, and nobody may call it who was not
-- granted that; see partition_create().
--
-- A new function only: no table is locked. If it stops halfway, nothing has changed; run it again.

-- migrate:up
CREATE FUNCTION partition_analyze(parent text) RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
AS $$
BEGIN
    IF parent IS NULL OR parent NOT IN ('message', 'attempt') THEN
        RAISE EXCEPTION 'partition_analyze: % is neither message nor attempt', parent
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('ANALYZE %I', parent);
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION partition_analyze(text) FROM PUBLIC;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION partition_analyze(text) SET search_path = %I, pg_temp', current_schema());
END
$$;

COMMENT ON FUNCTION partition_analyze(text) IS 'Gathers the planner''s statistics of message or attempt and of its partitions. True.';

-- migrate:down
DROP FUNCTION partition_analyze(text);
