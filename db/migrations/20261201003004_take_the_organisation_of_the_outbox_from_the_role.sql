-- A row of the outbox that names no organisation gets that of the setting postrider.org_id, which the role of a producer
-- has: ALTER ROLE shop IN DATABASE store SET postrider.org_id = 'org_shop'. Without the setting it gets the default
-- organisation, as before. The setting saves producers from naming their organisation, and allows nothing: which
-- organisation a role may send for is said by a policy, which `postrider roles` makes.
--
-- The default of the column is replaced, which locks the outbox for a moment, after at most 2 s of waiting. That of
-- message_send is replaced with the function, by 20261201004001. If it stops halfway, nothing has changed; run it again.
-- The release before this one does not notice.

-- migrate:up
SET LOCAL lock_timeout = '2s';

ALTER TABLE outbox
    ALTER COLUMN org_id SET DEFAULT coalesce(nullif(current_setting('postrider.org_id', true), ''), 'org_23rb8YdGqMT0qIzpgGwdXfHirMu');

COMMENT ON COLUMN outbox.org_id IS 'The organisation that sends it; by default that of the setting postrider.org_id, or else the one that tokens are for unless they name another.';

-- migrate:down
SET LOCAL lock_timeout = '2s';

ALTER TABLE outbox
    ALTER COLUMN org_id SET DEFAULT 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';

COMMENT ON COLUMN outbox.org_id IS 'The organisation that sends it; by default the one that tokens are for unless they name another.';
