-- Event types have a group: a client's own name for what belongs together, shown in catalogues.
--
-- The column is nullable and has no default, so that no row is rewritten; the lock is held for an
-- instant. A release that does not know the column leaves it NULL, or as it was. If this stops
-- halfway nothing has happened: run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';
ALTER TABLE event_type ADD COLUMN group_name text;
COMMENT ON COLUMN event_type.group_name IS 'What it belongs to, in the client''s words; NULL: nothing.';

-- migrate:down
SET LOCAL lock_timeout = '2s';
ALTER TABLE event_type DROP COLUMN group_name;
