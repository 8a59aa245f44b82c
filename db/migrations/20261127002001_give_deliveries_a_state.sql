-- Deliveries have a state, and an index for each state, so that no search passes the dead rows of another.
--
-- A row is fresh from the statement that stored the message until a worker takes it, leased while a worker has
-- it, and waiting whenever it is due at a time of its own: a retry, a throttled, paused or FIFO endpoint, deliverAt,
-- what was asked for by hand. Most rows are fresh once, leased once and then deleted; they never enter the index
-- that claims search.
--
-- Fresh rows are found by position: a worker takes what the transactions wrote that its predecessor did not see.
-- Dead rows, however many a snapshot held elsewhere keeps, are behind that position and are not read again.
--
-- blocks writes to delivery: it is as large as the backlog, some seconds for a million deliveries
--
-- The table is locked while its indexes are built. The constant defaults rewrite nothing. If it stops halfway, nothing has changed; run it
-- again. All rows are waiting at first, those under way included: they become due when their leases end. Processes
-- of the release before this one go on: what they store and claim counts as waiting, and their claims take
-- deliveries of any state, slowly, because the index they search is for waiting ones only.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE delivery
    ADD COLUMN state text NOT NULL DEFAULT 'waiting',
    ADD COLUMN txid xid8 NOT NULL DEFAULT pg_current_xact_id();

ALTER TABLE delivery ADD CONSTRAINT delivery_state_check CHECK (state IN ('fresh', 'waiting', 'leased'));

DROP INDEX delivery_queue_endpoint_id_due_at_idx;
CREATE INDEX delivery_queue_endpoint_id_due_at_idx ON delivery (queue, endpoint_id, due_at) WHERE state = 'waiting';
CREATE INDEX delivery_txid_idx ON delivery (txid) WHERE state = 'fresh';
CREATE INDEX delivery_due_at_idx ON delivery (due_at) WHERE state = 'leased';

CREATE TABLE delivery_position (
    id bigint NOT NULL,
    snapshot pg_snapshot NOT NULL,
    CONSTRAINT delivery_position_pkey PRIMARY KEY (id)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

COMMENT ON COLUMN delivery.state IS 'fresh: stored and not looked at yet; waiting: may be claimed at due_at; leased: a worker has it until due_at.';
COMMENT ON COLUMN delivery.txid IS 'The transaction that inserted the row. Fresh deliveries are taken by it.';
COMMENT ON INDEX delivery_queue_endpoint_id_due_at_idx IS 'Claims go from queue to queue, and take from each what is due.';
COMMENT ON INDEX delivery_txid_idx IS 'Fresh deliveries, in the order of their transactions.';
COMMENT ON INDEX delivery_due_at_idx IS 'Leases that have run out.';
COMMENT ON TABLE delivery_position IS 'How far fresh deliveries were taken: one row, the latest; none until a worker has started. Each take inserts its own and deletes the one before, so that the latest is found first.';
COMMENT ON COLUMN delivery_position.id IS 'Counts the takes.';
COMMENT ON COLUMN delivery_position.snapshot IS 'Fresh deliveries of transactions that are visible in it were taken.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

DROP TABLE delivery_position;
DROP INDEX delivery_due_at_idx;
DROP INDEX delivery_txid_idx;
DROP INDEX delivery_queue_endpoint_id_due_at_idx;

ALTER TABLE delivery
    DROP COLUMN state,
    DROP COLUMN txid;

CREATE INDEX delivery_queue_endpoint_id_due_at_idx ON delivery (queue, endpoint_id, due_at);

COMMENT ON INDEX delivery_queue_endpoint_id_due_at_idx IS 'Claims go from queue to queue, and take from each what is due.';
