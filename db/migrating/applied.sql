-- The versions that the migrations table of the current schema names. Other programs keep tables of that name, too, of
-- which some have numbers for versions.
SELECT version::text FROM schema_migrations
