-- Rows that workers read are read many at a time. A value that no process can take up, such as an infinite time or a
-- header that is no text, would keep everybody's deliveries from being made. Postrider writes no such values; whoever
-- changes rows by hand is told.
--
-- blocks writes to delivery: it is as small as the backlog, some seconds for a million deliveries
--
-- Each constraint reads its table once. If a row violates one, nothing changes and the error names the constraint: correct
-- the row and run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE application ADD CONSTRAINT application_throttled_until_check CHECK (isfinite(throttled_until));
ALTER TABLE delivery ADD CONSTRAINT delivery_due_at_check CHECK (isfinite(due_at));
ALTER TABLE delivery ADD CONSTRAINT delivery_lease_check CHECK (lease >= 0 AND lease < 9000000000000000000);
ALTER TABLE delivery ADD CONSTRAINT delivery_resume_at_check CHECK (isfinite(resume_at));
ALTER TABLE endpoint ADD CONSTRAINT endpoint_headers_check CHECK (
    jsonb_typeof(headers) = 'object'
    AND NOT jsonb_path_exists(headers, 'strict $.* ? (@.type() != "string")')
);
ALTER TABLE endpoint ADD CONSTRAINT endpoint_old_secrets_present_check CHECK (
    array_position(old_secrets, NULL) IS NULL
    AND array_position(old_secrets_expire_at, NULL) IS NULL
    AND 'infinity' <> ALL (old_secrets_expire_at)
    AND '-infinity' <> ALL (old_secrets_expire_at)
);
ALTER TABLE endpoint ADD CONSTRAINT endpoint_paused_until_check CHECK (isfinite(paused_until));
ALTER TABLE endpoint ADD CONSTRAINT endpoint_throttled_until_check CHECK (isfinite(throttled_until));

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE endpoint DROP CONSTRAINT endpoint_throttled_until_check;
ALTER TABLE endpoint DROP CONSTRAINT endpoint_paused_until_check;
ALTER TABLE endpoint DROP CONSTRAINT endpoint_old_secrets_present_check;
ALTER TABLE endpoint DROP CONSTRAINT endpoint_headers_check;
ALTER TABLE delivery DROP CONSTRAINT delivery_resume_at_check;
ALTER TABLE delivery DROP CONSTRAINT delivery_lease_check;
ALTER TABLE delivery DROP CONSTRAINT delivery_due_at_check;
ALTER TABLE application DROP CONSTRAINT application_throttled_until_check;
