-- With secret keys, an endpoint's headers and the user and password in its URL are sealed together with its secret, in
-- the secret's column. That needs no change of the schema; but what a client stores has a size that the database knows,
-- and until now only the service bounded secrets.
--
-- The columns for headers and URLs are bounded to 128 KiB each. As JSON, which is what is sealed, the values of headers may
-- need two bytes for each; the rest is less than 1 KiB: 385 KiB, and 512 KiB are allowed. An old secret is sealed by itself,
-- and there are up to ten. octet_length reads nothing but the row.
--
-- The statement checks the rows that are there, under a lock that keeps others from the table: a second for a million
-- rows. If it stops halfway, nothing has changed; run it again. Rows that break the bound were written by hand: give
-- these endpoints new secrets first.

-- migrate:up
SET LOCAL lock_timeout = '2s';
ALTER TABLE endpoint ADD CONSTRAINT endpoint_secret_old_secrets_check CHECK (
    octet_length(secret) <= 524288 AND pg_column_size(old_secrets) <= 16384
);
COMMENT ON COLUMN endpoint.url IS 'Where its webhooks go. With *** for the user and password: those are sealed in secret.';
COMMENT ON COLUMN endpoint.secret IS 'The key that signs its webhooks. Encrypted, it may hold the headers and the user and password of the URL as well. Never in a log, never in a list.';
COMMENT ON COLUMN endpoint.headers IS 'Its own HTTP headers by name. Empty if it has none, or if they are sealed in secret. Values may be credentials: never in a log.';

-- migrate:down
SET LOCAL lock_timeout = '2s';
COMMENT ON COLUMN endpoint.headers IS 'Its own HTTP headers by name. Values may be credentials: never in a log.';
COMMENT ON COLUMN endpoint.secret IS 'The key that signs its webhooks. Never in a log, never in a list.';
COMMENT ON COLUMN endpoint.url IS NULL;
ALTER TABLE endpoint DROP CONSTRAINT endpoint_secret_old_secrets_check;
