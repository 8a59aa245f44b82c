-- What is known about the schema $1 before anything is created in it. $2: leave out the migrations table, which is
-- empty, as a start that was interrupted leaves it.
--
-- strangers are the relations, types and functions in it, up to six, without what an extension brought and what
-- belongs to something else in the list: indexes, sequences of columns, types of rows and arrays. An installation's
-- own are among them.
SELECT
    namespace.oid IS NOT NULL AS there,
    has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
    coalesce(has_schema_privilege(namespace.oid, 'USAGE') AND has_schema_privilege(namespace.oid, 'CREATE'), false) AS may_create_objects,
    current_user::text AS role,
    current_database()::text AS database,
    EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = namespace.oid
            AND relname = 'application'
            AND relkind = 'r'
    ) AS has_applications,
    ARRAY(
        SELECT objects.name
        FROM (
            SELECT
                1 AS place,
                CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END || relname AS name
            FROM pg_class
            WHERE relnamespace = namespace.oid
                AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
                AND NOT ($2::boolean AND relname = 'schema_migrations' AND relnatts = 1)
                AND NOT EXISTS (
                    SELECT FROM pg_depend
                    WHERE classid = 'pg_class'::regclass
                        AND objid = pg_class.oid
                        AND (deptype = 'e' OR relkind = 'S' AND deptype IN ('a', 'i'))
                )
            UNION ALL
            SELECT 2, 'function ' || proname || '(' || pg_get_function_identity_arguments(oid) || ')'
            FROM pg_proc
            WHERE pronamespace = namespace.oid
                AND NOT EXISTS (
                    SELECT FROM pg_depend
                    WHERE classid = 'pg_proc'::regclass
                        AND objid = pg_proc.oid
                        -- The constructors of a range belong to its type.
                        AND deptype IN ('e', 'i')
                )
            UNION ALL
            SELECT 3, 'type ' || typname
            FROM pg_type
            WHERE typnamespace = namespace.oid
                AND typtype <> 'm'
                AND NOT EXISTS (SELECT FROM pg_type AS element WHERE element.typarray = pg_type.oid)
                AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'))
                AND NOT EXISTS (
                    SELECT FROM pg_depend
                    WHERE classid = 'pg_type'::regclass
                        AND objid = pg_type.oid
                        AND deptype = 'e'
                )
        ) AS objects
        ORDER BY objects.place, objects.name COLLATE "C"
        LIMIT 6
    )::text[] AS strangers
FROM (VALUES ($1::text)) AS wanted (name)
LEFT JOIN pg_namespace AS namespace ON namespace.nspname = wanted.name
