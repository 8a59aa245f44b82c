-- Moves an installation out of the schema public, where the first releases kept it, into the schema that the setting
-- postrider.move_to names, which it creates if need be. postrider.versions holds the versions of our migrations.
--
-- Everything happens in one transaction, and nothing is copied: an ALTER ... SET SCHEMA changes a name in the catalog.
-- It needs every table to itself for that moment, waits for each for two seconds at most, and fails if somebody still
-- has one. The caller tries again. Objects are named one by one, because a product may keep its own beside them. Those
-- that are missing were not there yet in the release that was installed. Indexes, constraints, triggers and the
-- sequences of columns follow their tables, and privileges stay with them.
--
-- The migrations table may be shared: an older release used the table that a product's dbmate or Rails had made. Then
-- only our versions move.
DO $$
DECLARE
    target CONSTANT text := current_setting('postrider.move_to');
    versions CONSTANT text[] := string_to_array(current_setting('postrider.versions'), ',');
    tables CONSTANT text[] := ARRAY[
        'application', 'attempt', 'attempt_count', 'background_task', 'delivery', 'delivery_position', 'endpoint',
        'event_type', 'idempotency_key', 'message', 'message_event_id', 'message_key', 'operational_event', 'outbox',
        'outbox_dead_letter', 'token_revocation'
    ];
    functions CONSTANT text[] := ARRAY[
        'delivery_number()', 'partition_create(text, text, text, text)',
        'message_send(text, text, text, text, text[], text[], text, text)',
        'message_send(text, text, json, text, text[], text[], text, text)',
        'message_send(text, text, jsonb, text, text[], text[], text, text)'
    ];
    ours oid[];
    item record;
    producers text;
BEGIN
    PERFORM set_config('lock_timeout', '2s', true);
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', target);
    -- Partitions are locked with their parents.
    FOR item IN
        SELECT oid::regclass AS name
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
            AND relkind IN ('r', 'p')
            AND relname = ANY (tables)
        ORDER BY relname
    LOOP
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', item.name);
    END LOOP;

    SELECT array_agg(oid) INTO ours
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
        AND relkind IN ('r', 'p')
        AND relname = ANY (tables);
    FOR item IN
        SELECT pg_class.oid::regclass AS name
        FROM pg_class
        WHERE pg_class.relnamespace = 'public'::regnamespace
            AND (
                pg_class.oid = ANY (ours)
                OR pg_class.oid IN (SELECT tree.relid FROM unnest(ours) AS parent CROSS JOIN LATERAL pg_partition_tree(parent) AS tree)
            )
    LOOP
        EXECUTE format('ALTER TABLE %s SET SCHEMA %I', item.name, target);
    END LOOP;
    IF to_regclass('public.delivery_seq') IS NOT NULL THEN
        EXECUTE format('ALTER SEQUENCE public.delivery_seq SET SCHEMA %I', target);
    END IF;

    FOR item IN
        SELECT
            pg_proc.oid::regprocedure AS name,
            pg_proc.oid,
            array_to_string(pg_proc.proconfig, ',') ~ 'search_path=' AS has_path
        FROM unnest(functions) AS signature
        JOIN pg_proc ON pg_proc.oid = to_regprocedure('public.' || signature)
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET SCHEMA %I', item.name, target);
        IF item.has_path THEN
            EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', item.oid::regprocedure, target);
        END IF;
    END LOOP;

    IF EXISTS (SELECT FROM public.schema_migrations WHERE version <> ALL (versions)) THEN
        EXECUTE format('CREATE TABLE %I.schema_migrations (version varchar PRIMARY KEY)', target);
        EXECUTE format(
            'WITH moved AS (DELETE FROM public.schema_migrations WHERE version = ANY ($1) RETURNING version)
            INSERT INTO %I.schema_migrations (version) SELECT version FROM moved', target
        ) USING versions;
    ELSE
        EXECUTE format('ALTER TABLE public.schema_migrations SET SCHEMA %I', target);
    END IF;

    -- Anybody may use public, and nobody a new schema.
    SELECT string_agg(DISTINCT coalesce(quote_ident(pg_roles.rolname), 'PUBLIC'), ', ') INTO producers
    FROM pg_class
    CROSS JOIN LATERAL aclexplode(pg_class.relacl) AS privilege
    LEFT JOIN pg_roles ON pg_roles.oid = privilege.grantee
    WHERE pg_class.oid = to_regclass(format('%I.outbox', target))
        AND privilege.grantee <> pg_class.relowner;
    IF producers IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', target, producers);
    END IF;
END
$$
