-- Each schema has its own lock under which partitions are made, as it has its own locks for everything else. With one
-- lock for all Postriders of a database, a partition that waits for a reader of one kept the others waiting, and
-- partition_create() gives up after 2 s.
--
-- The function is replaced by itself with another lock, so that its other settings remain.
--
-- A function only: no table is locked. Processes that make partitions while this runs may meet: one of them gets an
-- error and tries again. If it stops halfway, nothing has changed; run it again.

-- migrate:up
DO $$
DECLARE
    before text := pg_get_functiondef('partition_create(text, text, text, text)'::regprocedure);
    after text := replace(before, '(7075190346)', $key$(hashtextextended(format('%s partition', current_schema()), 0))$key$);
BEGIN
    IF after = before THEN
        RAISE EXCEPTION 'partition_create() does not take the lock 7075190346';
    END IF;
    EXECUTE after;
END
$$;

-- migrate:down
DO $$
BEGIN
    EXECUTE replace(
        pg_get_functiondef('partition_create(text, text, text, text)'::regprocedure),
        $key$(hashtextextended(format('%s partition', current_schema()), 0))$key$,
        '(7075190346)'
    );
END
$$;
