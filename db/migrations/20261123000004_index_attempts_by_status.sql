-- The attempts at an endpoint by their status: failures are looked for among a thousand times as many
-- successes. A list of all of them reads one range for each status, so that this index takes the place
-- of the one without it, and storing an attempt costs no more.
--
-- Postgres cannot build an index CONCURRENTLY on all partitions at once. On an installation that holds
-- many attempts, build it so on each partition first, then run this, which only has to attach them.
-- Otherwise attempts are not recorded while it runs: deliveries wait, and are made again where their
-- lease runs out. If it stops halfway, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';

CREATE INDEX attempt_app_id_endpoint_id_status_id_idx ON attempt (app_id, endpoint_id, status, id);
DROP INDEX attempt_app_id_endpoint_id_id_idx;

COMMENT ON INDEX attempt_app_id_endpoint_id_status_id_idx IS 'The attempts at an endpoint that have a status, newest first.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

CREATE INDEX attempt_app_id_endpoint_id_id_idx ON attempt (app_id, endpoint_id, id);
DROP INDEX attempt_app_id_endpoint_id_status_id_idx;

COMMENT ON INDEX attempt_app_id_endpoint_id_id_idx IS 'The attempts at an endpoint, newest first.';
