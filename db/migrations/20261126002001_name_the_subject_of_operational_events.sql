-- What an operational event is about: an endpoint, a message at an endpoint, a background task. Events of
-- one subject are delivered in their order.
--
-- A nullable column without a default changes no row. Events that the release before this one writes have
-- no subject, and are delivered side by side as before.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE operational_event ADD COLUMN subject text COLLATE "C";

COMMENT ON COLUMN operational_event.subject IS 'What it is about: the id of an endpoint or task, or those of a message and an endpoint. NULL: nothing whose events have an order.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE operational_event DROP COLUMN subject;
