{{- $owner := printf "%s_owner" .Schema -}}
{{- $app := printf "%s_app" .Schema -}}
{{- $readonly := printf "%s_readonly" .Schema -}}
{{- $producer := printf "%s_producer" .Schema -}}
-- Roles for the Postrider in the schema {{.Schema}}.
--
--   {{$owner}}     owns the schema and all that is in it: `postrider migrate up`
--   {{$app}}       reads and writes rows: `postrider serve`, api, worker, consume, jobs
--   {{$readonly}}  reads, but no secrets, no headers and no URLs with passwords
--   {{$producer}}  sends through the outbox; a group, whose members are each bound to an organisation
--
-- Run it in the database that has the schema or will have it, as a superuser, or as a role that may create roles and
-- owns the database and the schema:
--
--   postrider roles | psql -v ON_ERROR_STOP=1 postgres://dba@host/database
--
-- Run it before the first migration, and again after each migration that adds tables or views: new tables are open
-- to {{$app}} at once, and to other roles only then. It is one transaction, and can be repeated at any time. It sets
-- no passwords: \password {{$app}}

BEGIN;

-- Others wait no longer than this behind a lock that the script waits for.
SET LOCAL lock_timeout = '2s';
-- What is there already is no news.
SET LOCAL client_min_messages = warning;

-- 1. Roles. They belong to the whole server: databases that have a schema of the same name share them, and each
-- database has its own settings (section 3) and grants.

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT role, attributes, about
        FROM (VALUES
            ('{{$owner}}', 'LOGIN', 'Owns the schema {{.Schema}} and changes its tables.'),
            ('{{$app}}', 'LOGIN', 'The processes of the Postrider in the schema {{.Schema}}.'),
            ('{{$readonly}}', 'LOGIN', 'Reads the schema {{.Schema}}, but no secrets.'),
            ('{{$producer}}', 'NOLOGIN', 'Sends through the outbox of the schema {{.Schema}}, each member for one organisation.')
        ) AS list (role, attributes, about)
    LOOP
        IF to_regrole(quote_ident(wanted.role)) IS NULL THEN
            EXECUTE format('CREATE ROLE %I %s', wanted.role, wanted.attributes);
        END IF;
        EXECUTE format('COMMENT ON ROLE %I IS %L', wanted.role, wanted.about);
    END LOOP;
    -- Only a superuser can act for the owner without being its member.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        AND NOT (current_setting('server_version_num')::int < 160000 AND pg_has_role(current_user, '{{$owner}}', 'MEMBER'))
    THEN
        GRANT "{{$owner}}" TO CURRENT_USER;
    END IF;
END
$$;

-- vacuum_held() tells the service since when somebody keeps dead rows from being removed, and no more. It runs with the
-- rights of {{$owner}}, which no process runs as: Postgres shows the transactions of other roles to members of
-- pg_read_all_stats, and their statements with them.

DO $$
BEGIN
    GRANT pg_read_all_stats TO "{{$owner}}";
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE WARNING 'the metric postrider_xmin_age_seconds will be missing: {{$owner}} is no member of pg_read_all_stats, and only a superuser can make it one';
END
$$;

-- 2. The schema and everything in it belongs to the owner. In a database that was migrated by another role, it changes
-- hands here. Each table is locked for a moment if it does.

CREATE SCHEMA IF NOT EXISTS "{{.Schema}}" AUTHORIZATION "{{$owner}}";

DO $$
DECLARE
    owned record;
BEGIN
    IF (SELECT nspowner FROM pg_namespace WHERE nspname = '{{.Schema}}') <> '"{{$owner}}"'::regrole THEN
        ALTER SCHEMA "{{.Schema}}" OWNER TO "{{$owner}}";
    END IF;
    FOR owned IN
        SELECT
            CASE pg_class.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END
                AS kind,
            pg_class.oid::regclass::text AS name
        FROM pg_class
        WHERE pg_class.relnamespace = '"{{.Schema}}"'::regnamespace
            AND pg_class.relkind IN ('r', 'p', 'v', 'm', 'S')
            AND pg_class.relowner <> '"{{$owner}}"'::regrole
            -- The sequence of a column goes with its table.
            AND NOT EXISTS (
                SELECT
                FROM pg_depend
                WHERE pg_depend.classid = 'pg_class'::regclass
                    AND pg_depend.objid = pg_class.oid
                    AND pg_depend.refobjsubid > 0
                    AND pg_depend.deptype IN ('a', 'i')
                    AND pg_class.relkind = 'S'
            )
        UNION ALL
        SELECT 'ROUTINE', pg_proc.oid::regprocedure::text
        FROM pg_proc
        WHERE pg_proc.pronamespace = '"{{.Schema}}"'::regnamespace
            AND pg_proc.proowner <> '"{{$owner}}"'::regrole
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO "{{$owner}}"', owned.kind, owned.name);
    END LOOP;
END
$$;

REVOKE ALL ON SCHEMA "{{.Schema}}" FROM PUBLIC;
GRANT USAGE ON SCHEMA "{{.Schema}}" TO "{{$app}}", "{{$readonly}}", "{{$producer}}";

-- 3. Settings of sessions in this database. Postrider's own connections make them too; through a pooler, which gives
-- each transaction another session, they have to come with the role.

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT role, setting
        FROM (VALUES
            ('{{$owner}}', 'search_path = {{.SearchPath}}'),
            {{- range .Settings}}
            ('{{$app}}', $set${{.SQL}}$set$),
            {{- end}}
            ('{{$readonly}}', 'search_path = {{.SearchPath}}'),
            ('{{$readonly}}', 'default_transaction_read_only = on'),
            -- An open transaction keeps all dead rows of the database from being vacuumed.
            ('{{$readonly}}', $set$idle_in_transaction_session_timeout = '5min'$set$)
        ) AS list (role, setting)
    LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %s', wanted.role, current_database(), wanted.setting);
    END LOOP;
END
$$;

-- 4. What a migration makes from now on, as {{$owner}}, is open to {{$app}}.

ALTER DEFAULT PRIVILEGES FOR ROLE "{{$owner}}" IN SCHEMA "{{.Schema}}"
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{{$app}}";
ALTER DEFAULT PRIVILEGES FOR ROLE "{{$owner}}" IN SCHEMA "{{.Schema}}"
    GRANT USAGE ON SEQUENCES TO "{{$app}}";
ALTER DEFAULT PRIVILEGES FOR ROLE "{{$owner}}" IN SCHEMA "{{.Schema}}"
    GRANT EXECUTE ON FUNCTIONS TO "{{$app}}";

-- 5. Rights on the tables that are there. The service gets those that its queries need: it deletes no message and no
-- attempt. {{$readonly}} gets all columns but those that are named.

DO $$
DECLARE
    wanted record;
    columns text;
BEGIN
    FOR wanted IN
        SELECT
            tables.name, tables.app, tables.readonly, tables.hidden,
            pg_class.oid, format('"{{.Schema}}".%I', tables.name) AS place
        FROM (VALUES
            {{- range $n, $table := .Tables}}{{if $n}},{{end}}
            ('{{.Table}}', '{{list .App}}', {{.Readonly}}, '{ {{- list .Hidden -}} }'::text[])
            {{- end}}
        ) AS tables (name, app, readonly, hidden)
        JOIN pg_class ON pg_class.relname = tables.name AND pg_class.relnamespace = '"{{.Schema}}"'::regnamespace
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM "{{$app}}", "{{$readonly}}", "{{$producer}}", PUBLIC', wanted.place);
        EXECUTE format('GRANT %s ON %s TO "{{$app}}"', wanted.app, wanted.place);
        IF wanted.readonly THEN
            SELECT string_agg(quote_ident(pg_attribute.attname), ', ' ORDER BY pg_attribute.attnum)
            INTO columns
            FROM pg_attribute
            WHERE pg_attribute.attrelid = wanted.oid
                AND pg_attribute.attnum > 0
                AND NOT pg_attribute.attisdropped
                AND pg_attribute.attname <> ALL (wanted.hidden);
            EXECUTE format('GRANT SELECT (%s) ON %s TO "{{$readonly}}"', columns, wanted.place);
        END IF;
    END LOOP;

    -- Views show nothing that is secret, and run with the rights of their owner.
    FOR wanted IN
        SELECT pg_class.oid::regclass::text AS place
        FROM pg_class
        WHERE pg_class.relnamespace = '"{{.Schema}}"'::regnamespace
            AND pg_class.relkind IN ('v', 'm')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM "{{$app}}", "{{$readonly}}", "{{$producer}}", PUBLIC', wanted.place);
        EXECUTE format('GRANT SELECT ON %s TO "{{$app}}", "{{$readonly}}"', wanted.place);
    END LOOP;

    FOR wanted IN
        SELECT pg_class.oid::regclass::text AS place
        FROM pg_class
        WHERE pg_class.relnamespace = '"{{.Schema}}"'::regnamespace
            AND pg_class.relkind = 'S'
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO "{{$app}}"', wanted.place);
    END LOOP;

    -- These functions run with the rights of {{$owner}}; see their definitions for what they refuse.
    FOR wanted IN
        SELECT pg_proc.oid::regprocedure::text AS place
        FROM pg_proc
        WHERE pg_proc.pronamespace = '"{{.Schema}}"'::regnamespace
            AND pg_proc.proname = ANY ('{ {{- list .AppFunctions -}} }')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM "{{$readonly}}", "{{$producer}}", PUBLIC', wanted.place);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO "{{$app}}"', wanted.place);
    END LOOP;
END
$$;

-- 6. The outbox. A producer needs the privilege to insert, which {{$producer}} has, and a policy that names its
-- organisation. Neither lets it read. The owner of the table needs neither. Postgres numbers and dates the rows.

DO $$
DECLARE
    sender record;
BEGIN
    IF to_regclass('"{{.Schema}}".outbox') IS NULL THEN
        RETURN; -- before the first migration
    END IF;
    GRANT INSERT (org_id, application, event_type, payload, event_id, channels, tags, traceparent)
        ON "{{.Schema}}".outbox TO "{{$producer}}";
    FOR sender IN
        SELECT pg_proc.oid::regprocedure::text AS place
        FROM pg_proc
        WHERE pg_proc.pronamespace = '"{{.Schema}}"'::regnamespace
            AND pg_proc.proname = ANY ('{ {{- list .ProducerFunctions -}} }')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO "{{$producer}}"', sender.place);
    END LOOP;
    IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = '"{{.Schema}}".outbox'::regclass) THEN
        ALTER TABLE "{{.Schema}}".outbox ENABLE ROW LEVEL SECURITY;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = '"{{.Schema}}".outbox'::regclass AND polname = 'outbox_app') THEN
        CREATE POLICY outbox_app ON "{{.Schema}}".outbox TO "{{$app}}" USING (true) WITH CHECK (true);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = '"{{.Schema}}".outbox'::regclass AND polname = 'outbox_readonly') THEN
        CREATE POLICY outbox_readonly ON "{{.Schema}}".outbox FOR SELECT TO "{{$readonly}}" USING (true);
    END IF;
END
$$;

-- 7. Producers, each bound to its organisation: postrider roles --producer ROLE=ORG. The policy decides; with the
-- setting, a session of the role need not name its organisation. Producers of earlier runs remain.
{{- range .Producers}}

DO $$
BEGIN
    IF to_regrole('"{{.Role}}"') IS NULL THEN
        CREATE ROLE "{{.Role}}" LOGIN;
    END IF;
    GRANT "{{$producer}}" TO "{{.Role}}";
    BEGIN
        EXECUTE format('ALTER ROLE "{{.Role}}" IN DATABASE %I SET postrider.org_id = %L', current_database(), '{{.OrgID}}');
    EXCEPTION
        WHEN insufficient_privilege THEN
            RAISE WARNING 'only a superuser can give {{.Role}} the setting postrider.org_id; it has to name its organisation';
    END;
    IF to_regclass('"{{$.Schema}}".outbox') IS NOT NULL THEN
        DROP POLICY IF EXISTS "{{.Role}}" ON "{{$.Schema}}".outbox;
        CREATE POLICY "{{.Role}}" ON "{{$.Schema}}".outbox FOR INSERT TO "{{.Role}}" WITH CHECK (org_id = '{{.OrgID}}');
    END IF;
END
$$;
{{- end}}

COMMIT;
