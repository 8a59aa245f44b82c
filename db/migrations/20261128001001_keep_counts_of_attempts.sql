-- Counts of attempts that were counted once are kept, so that the statistics of an endpoint read a bounded number of
-- rows however many attempts there were.
--
-- Recording an attempt writes nothing here: a request for statistics counts on from the last count of a day, and
-- keeps a count after every thousandth attempt and one for the whole day. Counts are of attempts that all are
-- recorded by now. An attempt that is recorded late, by a process that was stopped in the middle of it, deletes the
-- counts that it changes, in its own transaction.
--
-- Counts are of one partition of attempt. When that is dropped, or made anew from a dump, they count no more. Rows
-- that are inserted into attempt or deleted from it by hand change no count: TRUNCATE attempt_count then. That
-- is safe at any time; what is needed is counted again.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway.

-- migrate:up
CREATE TABLE attempt_count (
    app_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    partition_oid bigint NOT NULL,
    until_id text COLLATE "C" NOT NULL,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    CONSTRAINT attempt_count_pkey PRIMARY KEY (app_id, endpoint_id, partition_oid, until_id),
    CONSTRAINT attempt_count_succeeded_failed_check CHECK (succeeded >= 0 AND failed >= 0)
);

COMMENT ON TABLE attempt_count IS 'How many attempts at an endpoint there were on a day up to an id, kept for statistics. May be truncated at any time; must be after attempts are inserted or deleted by hand.';
COMMENT ON COLUMN attempt_count.partition_oid IS 'The partition of attempt that was counted. If it is there no more, neither are its attempts, and the row counts nothing.';
COMMENT ON COLUMN attempt_count.until_id IS 'Counted are the attempts of the UTC day of this id, from its beginning up to this id; the first id of the next day: the whole day.';

-- migrate:down
DROP TABLE attempt_count;
