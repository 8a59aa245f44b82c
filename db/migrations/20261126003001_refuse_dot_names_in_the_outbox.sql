-- "." and ".." cannot be names: clients remove such segments from URLs, so that what is called so cannot be
-- reached, and a request for it reaches something else. The outbox refuses them when a row is inserted, as it
-- refuses other names.
--
-- NOT VALID: rows that are in the outbox already stay, and consumers put them aside with the reason. The
-- constraints are not validated later; the table is empty but for the last moment. Applications, endpoints and
-- event types get no such constraint, because it would be checked at every later update of an old row.
--
-- Each ALTER TABLE reads no rows, and waits at most 2 s for transactions that have inserted into the outbox. If
-- it gives up, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE outbox ADD CONSTRAINT outbox_application_dots_check CHECK (application NOT IN ('.', '..')) NOT VALID;
ALTER TABLE outbox ADD CONSTRAINT outbox_event_type_dots_check CHECK (event_type NOT IN ('.', '..')) NOT VALID;
ALTER TABLE outbox ADD CONSTRAINT outbox_event_id_dots_check CHECK (event_id NOT IN ('.', '..')) NOT VALID;

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE outbox DROP CONSTRAINT outbox_event_id_dots_check;
ALTER TABLE outbox DROP CONSTRAINT outbox_event_type_dots_check;
ALTER TABLE outbox DROP CONSTRAINT outbox_application_dots_check;
