-- name: SecretCountAnyTenant :many
-- SecretCountAnyTenant counts the secrets, old ones and those of deleted endpoints included, by the
-- fingerprint of the key they are sealed under (empty: none), and how many of them are of endpoints that
-- are there. sealed is what a sealed one begins with; plain_bytes_max is how long one may be that is
-- not marked. Beside the secrets that are not sealed it counts the endpoints that have headers, or userinfo in their
-- URLs, which are not; sealed ones are part of a secret.
SELECT
    stored.fingerprint::text AS fingerprint,
    count(*) FILTER (WHERE stored.part = 'secret') AS secrets,
    count(*) FILTER (WHERE stored.part = 'secret' AND stored.deleted_at IS NULL) AS in_use,
    count(*) FILTER (WHERE stored.part = 'headers') AS headers,
    count(*) FILTER (WHERE stored.part = 'userinfo') AS userinfos
FROM (
    SELECT
        endpoint.deleted_at,
        each.part,
        CASE
            WHEN octet_length(each.secret) > @plain_bytes_max::int
                AND substring(each.secret FROM 1 FOR octet_length(@sealed::bytea)) = @sealed::bytea
                THEN encode(substring(each.secret FROM octet_length(@sealed::bytea) + 1 FOR @fingerprint_bytes::int), 'hex')
            ELSE ''
        END AS fingerprint
    FROM endpoint
    CROSS JOIN LATERAL (
        SELECT 'secret' AS part, held.secret
        FROM unnest(array_append(endpoint.old_secrets, endpoint.secret)) AS held(secret)
        UNION ALL
        SELECT 'headers', NULL
        WHERE endpoint.headers <> '{}'
        UNION ALL
        SELECT 'userinfo', NULL
        WHERE CASE
            WHEN position('@' IN endpoint.url) > 0
                THEN substring(endpoint.url FROM @userinfo_pattern::text) NOT IN ('', @masked::text)
        END
    ) AS each
    WHERE endpoint.app_id > ''
) AS stored
GROUP BY stored.fingerprint
ORDER BY stored.fingerprint
LIMIT 1000;

-- name: SecretLockAnyTenant :many
-- SecretLockAnyTenant finds the next endpoints after one that have a secret, or an old one, that does
-- not begin with sealed, or headers or userinfo that are not sealed, and keeps others from changing them until the
-- transaction ends. SKIP LOCKED: it waits for nobody while it holds others' rows, and so is in no deadlock.
SELECT
    endpoint.app_id, endpoint.id, endpoint.url, endpoint.headers, endpoint.secret, endpoint.old_secrets
FROM endpoint
WHERE (endpoint.app_id, endpoint.id) > (@after_app_id::text, @after_id::text)
    AND (
        endpoint.headers <> '{}'
        OR CASE
            WHEN position('@' IN endpoint.url) > 0
                THEN substring(endpoint.url FROM @userinfo_pattern::text) NOT IN ('', @masked::text)
        END
        OR EXISTS (
            SELECT
            FROM unnest(array_append(endpoint.old_secrets, endpoint.secret)) AS each(secret)
            WHERE octet_length(each.secret) <= @plain_bytes_max::int
                OR substring(each.secret FROM 1 FOR octet_length(@sealed::bytea)) <> @sealed::bytea
        )
    )
ORDER BY endpoint.app_id, endpoint.id
LIMIT @max_rows::int
FOR NO KEY UPDATE OF endpoint SKIP LOCKED;

-- name: SecretUpdate :execrows
-- SecretUpdate replaces how an endpoint's secrets, headers and userinfo are stored, and not what they are: that is no
-- update of the endpoint.
UPDATE endpoint
SET url = @url,
    headers = @headers,
    secret = @secret,
    old_secrets = @old_secrets
WHERE app_id = @app_id
    AND id = @id;
