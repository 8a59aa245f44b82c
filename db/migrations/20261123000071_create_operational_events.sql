-- Operational events: what operational webhooks tell an organisation of its own webhooks. A row is
-- written in the transaction that it tells of, so that there is neither an event of what was rolled
-- back, nor a commit without its event. The jobs take rows out, in order and each second, and store
-- them as messages in the same transaction: from then on they are sent and retried like all others.
-- Only what an operational-webhook endpoint wants is written, so where there is none, nothing is.
--
-- The table is empty but for the last second. Like delivery it is vacuumed by the number of dead rows
-- and not by their share. If it grows, no process runs the jobs.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway. The release before
-- this one writes no events and takes none out.

-- migrate:up
CREATE TABLE operational_event (
    id bigint GENERATED ALWAYS AS IDENTITY,
    org_id text COLLATE "C" NOT NULL,
    type text NOT NULL,
    payload text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT operational_event_pkey PRIMARY KEY (id)
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000
);

COMMENT ON TABLE operational_event IS 'Operational webhooks that are not messages yet. The jobs take them out each second.';
COMMENT ON COLUMN operational_event.id IS 'The order in which an organisation is told.';
COMMENT ON COLUMN operational_event.org_id IS 'The organisation that is told. Its endpoints are those of the application of the reserved organisation that has this as its uid.';
COMMENT ON COLUMN operational_event.type IS 'The event type, such as endpoint.disabled.';
COMMENT ON COLUMN operational_event.payload IS 'What is sent, to the byte: {"type": ..., "data": {...}}.';
COMMENT ON COLUMN operational_event.created_at IS 'When its transaction began. Old ones mean that no process runs the jobs.';

-- migrate:down
DROP TABLE operational_event;
