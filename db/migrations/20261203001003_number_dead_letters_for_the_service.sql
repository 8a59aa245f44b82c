-- The service counts the dead letters of the outbox for a metric. It may not read the table, which holds payloads. This view
-- is what it may read.
--
-- A view only: nothing to wait for. If it stops halfway, nothing has changed; run it again.

-- migrate:up
CREATE VIEW dead_letter_id AS
SELECT outbox_dead_letter.letter_id
FROM outbox_dead_letter;

COMMENT ON VIEW dead_letter_id IS 'The numbers of the dead letters of the outbox, to count them. Reads an index.';
COMMENT ON COLUMN dead_letter_id.letter_id IS 'The number of the letter.';

-- migrate:down
DROP VIEW dead_letter_id;
