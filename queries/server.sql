-- name: ServerVersionAnyTenant :one
-- ServerVersionAnyTenant returns the server's version as a number: 150018 for 15.18.
SELECT current_setting('server_version_num')::int;

-- name: ConnectionPrepareAnyTenant :one
-- ConnectionPrepareAnyTenant sets settings of a connection's session, of which there must be at least one. It returns
-- the schemas that names are looked up in, which were chosen when the session began.
SELECT max(current_setting('search_path'))::text
FROM unnest(@names::text[], @setting_values::text[]) AS setting (name, value)
WHERE set_config(setting.name, setting.value, false) IS NOT NULL;

-- name: SessionSettingsAnyTenant :one
-- SessionSettingsAnyTenant returns the values of settings, in the order of their names, and whose session has them.
SELECT
    current_user::text AS role,
    current_database()::text AS database,
    array_agg(current_setting(setting.name) ORDER BY setting.place)::text[] AS "values"
FROM unnest(@names::text[]) WITH ORDINALITY AS setting (name, place);

-- name: ConnectionLimitAnyTenant :one
-- ConnectionLimitAnyTenant makes Postgres cancel statements of a connection that take longer.
SELECT set_config('statement_timeout', @statement_timeout::text, false)::text;

-- name: MigrateLockAnyTenant :one
-- MigrateLockAnyTenant takes the lock that the migrations of a schema run under, until its transaction ends. It
-- returns false if another process holds it. The transaction is idle while the migrations run on other connections,
-- so the server must not end it for that; transaction_timeout exists since Postgres 17. The lock's key is returned so
-- that its holder can be found.
SELECT
    lock.key::bigint AS key,
    pg_backend_pid()::int AS pid,
    (
        pg_try_advisory_xact_lock(lock.key)
        AND set_config('idle_in_transaction_session_timeout', '0', true) = '0'
        AND CASE
            WHEN current_setting('server_version_num')::int >= 170000
                THEN set_config('transaction_timeout', '0', true) = '0'
            ELSE true
        END
    )::boolean AS locked
FROM (VALUES (hashtextextended(@schema_name::text || ' migrations', 0))) AS lock (key);

-- name: MigrateLockHolderAnyTenant :one
-- MigrateLockHolderAnyTenant describes the session that holds the lock of the migrations. Only superusers and members
-- of its role can read more than its process id.
SELECT concat_ws(', ', 'pid ' || holder.pid, nullif(activity.application_name, ''), host(activity.client_addr))::text AS holder
FROM (VALUES (hashtextextended(@schema_name::text || ' migrations', 0))) AS lock (key)
JOIN pg_locks AS holder
    ON holder.classid = ((lock.key >> 32) & 4294967295)::oid
    AND holder.objid = (lock.key & 4294967295)::oid
JOIN pg_stat_activity AS activity ON activity.pid = holder.pid
WHERE holder.locktype = 'advisory'
    AND holder.granted
    AND holder.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND holder.objsubid = 1
ORDER BY holder.pid
LIMIT 1;

-- name: MigrateMovePrepareAnyTenant :one
-- MigrateMovePrepareAnyTenant passes the schema and the versions of our migrations to the statement that moves an
-- installation, which cannot have parameters, until the transaction ends.
SELECT (
    set_config('postrider.move_to', @schema_name::text, true)
    || set_config('postrider.versions', array_to_string(@versions::text[], ','), true)
)::text;

-- name: MigrateMoveHoldersAnyTenant :one
-- MigrateMoveHoldersAnyTenant describes the sessions that have locks on tables of the schema public.
SELECT coalesce(string_agg(DISTINCT concat_ws(' ', 'pid ' || activity.pid, nullif(activity.application_name, '')), ', '), '')::text AS holders
FROM pg_locks AS holder
JOIN pg_class ON pg_class.oid = holder.relation
JOIN pg_stat_activity AS activity ON activity.pid = holder.pid
WHERE holder.granted
    AND holder.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND holder.pid <> pg_backend_pid()
    AND pg_class.relnamespace = 'public'::regnamespace;

-- name: ServerTimeAnyTenant :one
-- ServerTimeAnyTenant returns the time on the server's clock.
SELECT clock_timestamp()::timestamptz;

-- name: ServerSpaceAnyTenant :one
-- ServerSpaceAnyTenant fails on a server without free disk space: it makes Postgres write some 1 MiB to a temporary
-- file, which is not logged, and is removed at its end. A single row may fit where messages do not. The memory that
-- would hold it is reduced for the transaction.
SELECT count(*)::bigint
FROM set_config('work_mem', '64kB', true) AS reduced (work_mem)
CROSS JOIN LATERAL unnest(array_fill(repeat(reduced.work_mem, 2000), ARRAY[128])) AS written (page);

-- name: ServerRightsMissingAnyTenant :one
-- ServerRightsMissingAnyTenant lists the privileges that the role lacks. Of two parallel lists, one names tables
-- and the other one privilege on each. Of functions it needs EXECUTE, of sequences USAGE. Whatever does not exist in
-- the schema is left out.
WITH place AS (
    SELECT pg_namespace.oid, pg_namespace.nspname
    FROM pg_namespace
    WHERE pg_namespace.nspname = @schema_name::text
),
missing AS (
    SELECT 'USAGE on schema ' || place.nspname AS privilege
    FROM place
    WHERE NOT has_schema_privilege(place.oid, 'USAGE')
    UNION ALL
    SELECT needed.privilege || ' on ' || needed.table_name
    FROM place
    CROSS JOIN unnest(@tables::text[], @privileges::text[]) AS needed(table_name, privilege)
    JOIN pg_class ON pg_class.relnamespace = place.oid AND pg_class.relname = needed.table_name
    WHERE NOT has_table_privilege(pg_class.oid, needed.privilege)
    UNION ALL
    SELECT 'USAGE on ' || pg_class.relname
    FROM place
    JOIN pg_class ON pg_class.relnamespace = place.oid
    -- CASE, because the function fails for what is not a sequence, and conditions have no order.
    WHERE CASE pg_class.relkind WHEN 'S' THEN NOT has_sequence_privilege(pg_class.oid, 'USAGE') END
        AND NOT EXISTS (
            SELECT
            FROM pg_depend
            WHERE pg_depend.classid = 'pg_class'::regclass
                AND pg_depend.objid = pg_class.oid
                AND pg_depend.deptype = 'i' -- of an identity column, which needs no privilege
        )
    UNION ALL
    SELECT 'EXECUTE on ' || pg_proc.proname || '()'
    FROM place
    JOIN pg_proc ON pg_proc.pronamespace = place.oid
    WHERE pg_proc.proname = ANY (@functions::text[])
        AND NOT has_function_privilege(pg_proc.oid, 'EXECUTE')
)
SELECT coalesce(array_agg(missing.privilege ORDER BY missing.privilege), '{}')::text[]
FROM missing;
