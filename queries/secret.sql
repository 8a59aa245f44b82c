-- name: SecretCountAnyTenant :many
-- SecretCountAnyTenant counts the secrets, old ones and those of deleted endpoints included, by the
-- fingerprint of the key they are sealed under (empty: none), and how many of them are of endpoints that
-- are there. sealed is what a sealed one begins with; plain_bytes_max is how long one may be that is
-- not marked.
SELECT
    stored.fingerprint::text AS fingerprint,
    count(*) AS secrets,
    count(*) FILTER (WHERE stored.deleted_at IS NULL) AS in_use
FROM (
    SELECT
        endpoint.deleted_at,
        CASE
            WHEN octet_length(each.secret) > @plain_bytes_max::int
                AND substring(each.secret FROM 1 FOR octet_length(@sealed::bytea)) = @sealed::bytea
                THEN encode(substring(each.secret FROM octet_length(@sealed::bytea) + 1 FOR @fingerprint_bytes::int), 'hex')
            ELSE ''
        END AS fingerprint
    FROM endpoint
    CROSS JOIN LATERAL unnest(array_append(endpoint.old_secrets, endpoint.secret)) AS each(secret)
    WHERE endpoint.app_id > ''
) AS stored
GROUP BY stored.fingerprint
ORDER BY stored.fingerprint
LIMIT 1000;

-- name: SecretLockAnyTenant :many
-- SecretLockAnyTenant finds the next endpoints after one that have a secret, or an old one, that does
-- not begin with sealed, and keeps others from changing them until the transaction ends. SKIP LOCKED:
-- it waits for nobody while it holds others' rows, and so is in no deadlock.
SELECT
    endpoint.app_id, endpoint.id, endpoint.secret, endpoint.old_secrets
FROM endpoint
WHERE (endpoint.app_id, endpoint.id) > (@after_app_id::text, @after_id::text)
    AND EXISTS (
        SELECT
        FROM unnest(array_append(endpoint.old_secrets, endpoint.secret)) AS each(secret)
        WHERE octet_length(each.secret) <= @plain_bytes_max::int
            OR substring(each.secret FROM 1 FOR octet_length(@sealed::bytea)) <> @sealed::bytea
    )
ORDER BY endpoint.app_id, endpoint.id
LIMIT @max_rows::int
FOR NO KEY UPDATE OF endpoint SKIP LOCKED;

-- name: SecretUpdate :execrows
-- SecretUpdate replaces how the secrets of an endpoint are stored, and not the secrets: that is no
-- update of the endpoint.
UPDATE endpoint
SET secret = @secret,
    old_secrets = @old_secrets
WHERE app_id = @app_id
    AND id = @id;
