-- A delivery that waits for its next attempt now has resume_at, so that lists can tell it from one that is under
-- way, whose due_at is the end of its lease. Only the comment changes: deliveries that wait already are told apart
-- by their number of claims, and the release before this one ignores the value.
--
-- If it stops halfway, nothing has changed; run it again.

-- migrate:up
SET LOCAL lock_timeout = '2s';

COMMENT ON COLUMN delivery.resume_at IS 'When the schedule goes on: due_at while it waits for its next attempt, or, while it is owed an attempt by hand, the time after that if it fails; NULL: the schedule has not begun or does not go on.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

COMMENT ON COLUMN delivery.resume_at IS 'When the schedule goes on if that attempt fails; NULL: it does not.';
