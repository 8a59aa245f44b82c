-- Two dead letters may have had the same id in the outbox: ids start again after TRUNCATE ...
-- RESTART IDENTITY and after a switch-over by logical replication, and a producer may choose one
-- with OVERRIDING SYSTEM VALUE. With that id as the primary key, the second could not be put aside,
-- and the consumers stopped.
--
-- The column id stays what it was, so that the release before this one puts letters aside as well.
--
-- Rows are numbered in the order they are found in. That writes the table anew, under a lock that
-- consumers with something to put aside wait for: some seconds for a million rows. It waits at most
-- 2 s for the lock. If it gives up, nothing has changed; run it again.
--
-- On the way down an id may be there twice. Then all rows get their number as id.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE outbox_dead_letter DROP CONSTRAINT outbox_dead_letter_pkey;
ALTER TABLE outbox_dead_letter ADD COLUMN letter_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY;
ALTER TABLE outbox_dead_letter ADD CONSTRAINT outbox_dead_letter_pkey PRIMARY KEY (letter_id);

COMMENT ON COLUMN outbox_dead_letter.id IS 'The id that it had in the outbox. Others may have had the same.';
COMMENT ON COLUMN outbox_dead_letter.letter_id IS 'The order in which they were put aside.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

UPDATE outbox_dead_letter
SET id = letter_id
WHERE EXISTS (SELECT FROM outbox_dead_letter AS letter GROUP BY letter.id HAVING count(*) > 1);

ALTER TABLE outbox_dead_letter DROP CONSTRAINT outbox_dead_letter_pkey;
ALTER TABLE outbox_dead_letter DROP COLUMN letter_id;
ALTER TABLE outbox_dead_letter ADD CONSTRAINT outbox_dead_letter_pkey PRIMARY KEY (id);

COMMENT ON COLUMN outbox_dead_letter.id IS 'The id that it had in the outbox.';
