-- Rows of the outbox carry the transaction that inserted them. A consumer remembers a snapshot in
-- which it had taken everything, and looks for rows of transactions that were not over then. So it
-- need not read the rows that were taken since the last vacuum. Vacuum removes none of them while
-- anybody holds a snapshot: after 200,000 rows, a look into the empty table took 40 ms and more.
--
-- Ids cannot tell what is new: a transaction may take an id and commit long after others with
-- higher ids.
--
-- The default is the same for all rows that are there, and nothing is rewritten. The index is built
-- while nobody can insert: a second for a million rows, but the table is empty but for the last
-- moment. It waits at most 2 s for transactions that have inserted into the outbox. If it gives up,
-- nothing has changed; run it again. The release before this one does not read the column.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE outbox ADD COLUMN txid xid8 NOT NULL DEFAULT pg_current_xact_id();

CREATE INDEX outbox_txid_idx ON outbox (txid) INCLUDE (id);

COMMENT ON COLUMN outbox.txid IS 'The transaction that inserted it. Leave it to its default.';
COMMENT ON INDEX outbox_txid_idx IS 'What was inserted since a consumer last looked.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

DROP INDEX outbox_txid_idx;

ALTER TABLE outbox DROP COLUMN txid;
