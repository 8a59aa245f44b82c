-- The state of the queue is exported as metrics by one process at a time. state_reader holds which one, and until when:
-- an advisory lock would need a session of its own, which a transaction pooler does not give. The row is updated
-- some four times a minute.
--
-- A new table of one row: no lock, nothing to wait for. If it stops halfway, nothing has changed; run it again.

-- migrate:up
CREATE TABLE state_reader (
    one boolean NOT NULL DEFAULT true,
    reader text NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT state_reader_pkey PRIMARY KEY (one),
    CONSTRAINT state_reader_one_check CHECK (one),
    CONSTRAINT state_reader_reader_check CHECK (octet_length(reader) <= 512)
);

COMMENT ON TABLE state_reader IS 'The process that reads the state of this Postrider and exports it as metrics. One row; none until a process that runs the jobs has started.';
COMMENT ON COLUMN state_reader.one IS 'True, so that there is one row.';
COMMENT ON COLUMN state_reader.reader IS 'The process: host, process id, and a random part.';
COMMENT ON COLUMN state_reader.expires_at IS 'Until when no other process takes over. The reader moves it ahead with each reading.';
COMMENT ON CONSTRAINT state_reader_pkey ON state_reader IS 'With the check, at most one row.';
COMMENT ON CONSTRAINT state_reader_one_check ON state_reader IS 'There is at most one row.';
COMMENT ON CONSTRAINT state_reader_reader_check ON state_reader IS 'A bound in bytes.';
COMMENT ON INDEX state_reader_pkey IS 'The one row.';

-- migrate:down
DROP TABLE state_reader;
