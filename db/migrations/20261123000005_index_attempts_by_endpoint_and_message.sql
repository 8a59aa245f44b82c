-- The messages that were attempted at an endpoint, in the order of the messages: the list an endpoint's
-- owner looks at. Every attempt pays for this index, so it holds no more than it must: ids of endpoints
-- are unique without the application, and the rows of a page are looked up. The second index is for
-- failures alone, which are few among many; it costs successful attempts nothing.
--
-- As with the index by status: on an installation that holds many attempts, build them CONCURRENTLY on
-- each partition first. If it stops halfway, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';

CREATE INDEX attempt_endpoint_id_message_id_idx ON attempt (endpoint_id, message_id);
CREATE INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx ON attempt (app_id, endpoint_id, message_id, id) WHERE status = 2;

COMMENT ON INDEX attempt_endpoint_id_message_id_idx IS 'The messages that were attempted at an endpoint.';
COMMENT ON INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx IS 'The messages of which an attempt at an endpoint failed.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

DROP INDEX attempt_app_id_endpoint_id_message_id_id_failed_idx;
DROP INDEX attempt_endpoint_id_message_id_idx;
