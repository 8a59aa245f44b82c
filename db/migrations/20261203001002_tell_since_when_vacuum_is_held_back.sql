-- vacuum_held() says since when a transaction keeps dead rows from being removed. Postgres shows the transactions of other
-- roles to members of pg_read_all_stats alone, and shows such members the statements of everybody as well. So the
-- service calls this function, which runs with the rights of its owner and returns times only: the owner, which no process
-- runs as, is made a member by the script of `postrider roles`.
--
-- A new function only: no table is locked. If it stops halfway, nothing has changed; run it again.

-- migrate:up
CREATE FUNCTION vacuum_held(OUT known boolean, OUT since timestamptz, OUT standby_xmin text)
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
    SELECT
        pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
        least(
            (
                -- VACUUM itself holds nothing back, however long it runs.
                SELECT min(activity.xact_start)
                FROM pg_stat_activity AS activity
                WHERE activity.datname = current_database()
                    AND activity.pid <> pg_backend_pid()
                    AND (activity.backend_xid IS NOT NULL OR activity.backend_xmin IS NOT NULL)
                    AND activity.backend_type <> 'autovacuum worker'
                    AND NOT EXISTS (
                        SELECT
                        FROM pg_stat_progress_vacuum AS vacuum
                        WHERE vacuum.pid = activity.pid
                    )
            ),
            (
                SELECT min(prepared.prepared)
                FROM pg_prepared_xacts AS prepared
                WHERE prepared.database = current_database()
            )
        ),
        (
            -- A standby that needs no old rows reports the next transaction, whose age is 0.
            SELECT held.xmin::text
            FROM (
                SELECT slot.xmin
                FROM pg_replication_slots AS slot
                UNION ALL
                SELECT standby.backend_xmin
                FROM pg_stat_replication AS standby
            ) AS held
            WHERE held.xmin IS NOT NULL
                AND age(held.xmin) > 0
            ORDER BY age(held.xmin) DESC
            LIMIT 1
        );
END;

REVOKE ALL ON FUNCTION vacuum_held() FROM PUBLIC;

COMMENT ON FUNCTION vacuum_held() IS 'Since when the oldest open or prepared transaction of this database keeps dead rows from being removed, and the oldest transaction whose rows a standby or a replication slot keeps. Not known: its owner may not see the transactions of other roles.';

-- migrate:down
DROP FUNCTION vacuum_held();
