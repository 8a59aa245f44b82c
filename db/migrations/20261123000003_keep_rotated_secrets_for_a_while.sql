-- The secrets an endpoint had before: webhooks are signed with them as well until their grace period
-- ends, so that a receiver can change over without refusing any. Two arrays and no table, because the
-- statement that stores messages reads them with the endpoint, and there are ten at most.
--
-- Columns with constant defaults: nothing is rewritten, the table is locked for a moment. If it stops
-- halfway, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE endpoint
    ADD COLUMN old_secrets bytea[] NOT NULL DEFAULT '{}',
    ADD COLUMN old_secrets_expire_at timestamptz[] NOT NULL DEFAULT '{}';

ALTER TABLE endpoint ADD CONSTRAINT endpoint_old_secrets_check CHECK (
    cardinality(old_secrets) = cardinality(old_secrets_expire_at) AND cardinality(old_secrets) <= 10
);

COMMENT ON COLUMN endpoint.old_secrets IS 'Secrets it had before, the latest first. Never in a log, never in a list.';
COMMENT ON COLUMN endpoint.old_secrets_expire_at IS 'Until when each of them signs too.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE endpoint
    DROP COLUMN old_secrets,
    DROP COLUMN old_secrets_expire_at;
