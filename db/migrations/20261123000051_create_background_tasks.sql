-- Background tasks: work that is asked for in one request and takes longer than one may, such as
-- delivering again all that failed in two weeks. A row is the task, what it was asked for, and how far
-- it has come. It is done in steps, each of them one transaction that locks the row, does a batch and
-- moves the cursor behind it: a process that dies takes back its step and frees the lock at once, so
-- that another goes on where the last commit was, and nothing is done twice or left out.
--
-- Rows stay for 90 days after they have ended, to be looked at.
--
-- New table only: nothing to wait for, nothing to undo by hand if it stops halfway. The release before
-- this one leaves tasks alone.

-- migrate:up
CREATE TABLE background_task (
    org_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    task text NOT NULL,
    app_id text COLLATE "C",
    endpoint_id text COLLATE "C",
    parameters jsonb NOT NULL,
    status text NOT NULL,
    cursor text COLLATE "C" NOT NULL,
    processed bigint NOT NULL,
    data jsonb NOT NULL,
    failures smallint NOT NULL,
    error text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    CONSTRAINT background_task_pkey PRIMARY KEY (org_id, id),
    CONSTRAINT background_task_id_check CHECK (id LIKE 'qtask\_%'),
    CONSTRAINT background_task_task_check CHECK (
        task IN (
            'endpoint.recover', 'endpoint.replay', 'endpoint.bulk-replay', 'application.purge_content',
            'application.stats', 'event-type.aggregate'
        )
    ),
    CONSTRAINT background_task_status_check CHECK (status IN ('running', 'finished', 'failed'))
);

CREATE INDEX background_task_next_at_running_idx ON background_task (next_at) WHERE status = 'running';
CREATE INDEX background_task_updated_at_ended_idx ON background_task (updated_at) WHERE status <> 'running';

COMMENT ON TABLE background_task IS 'Work that outlives the request for it, done step by step by the jobs.';
COMMENT ON COLUMN background_task.task IS 'What is done: the names of the API.';
COMMENT ON COLUMN background_task.app_id IS 'The application it is about; NULL: the whole organisation.';
COMMENT ON COLUMN background_task.endpoint_id IS 'The endpoint it is about; NULL: none in particular.';
COMMENT ON COLUMN background_task.parameters IS 'What was asked for: the period, filters, applications.';
COMMENT ON COLUMN background_task.cursor IS 'The last id that is done: of a message, of an application, or of one and of a message of the next.';
COMMENT ON COLUMN background_task.processed IS 'How many messages were looked at.';
COMMENT ON COLUMN background_task.data IS 'What came of it so far, as the API shows it.';
COMMENT ON COLUMN background_task.failures IS 'How many times the step failed that is next.';
COMMENT ON COLUMN background_task.error IS 'Why it failed, as the API shows it.';
COMMENT ON COLUMN background_task.next_at IS 'When the next step may be made. Each step puts it at the end of the queue.';
COMMENT ON INDEX background_task_next_at_running_idx IS 'Whose turn it is.';
COMMENT ON INDEX background_task_updated_at_ended_idx IS 'What has ended long ago, to be deleted.';

-- migrate:down
DROP TABLE background_task;
