-- Functions find their tables and sequences whatever the search_path of their caller. partition_create() failed
-- for a DBA who called it with a path without this schema, and took tables of the same names from a schema that
-- comes first. message_send() needs nothing: its body is parsed when it is created.
--
-- Not SET search_path FROM CURRENT: the path may hold "$user", which is somebody else when a DBA calls. If
-- the schema is renamed, set the path anew, by the statement below.
--
-- A function only: no table is locked. If it stops halfway, nothing has changed; run it again.

-- migrate:up
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION partition_create(text, text, text, text) SET search_path = %I, pg_temp', current_schema());
END
$$;

-- migrate:down
ALTER FUNCTION partition_create(text, text, text, text) RESET search_path;
