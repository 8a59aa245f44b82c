-- name: SecretCountAnyTenant :many
-- SecretCountAnyTenant counts the secrets, including old ones and those of deleted endpoints, by the fingerprint of
-- the key they are sealed under (empty: not sealed), and how many of them belong to existing endpoints. sealed is the
-- prefix of a sealed secret; plain_bytes_max is the largest size of one that is not marked. In addition to unsealed
-- secrets it counts endpoints with unsealed headers, or with unsealed userinfo in their URLs; sealed ones are part of
-- a secret.
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
-- SecretLockAnyTenant finds the next endpoints after a given one that have a secret, or an old one, that does not
-- begin with sealed, or headers or userinfo that are not sealed. It prevents others from changing them until the
-- transaction ends. SKIP LOCKED, so that it never waits while it holds other rows, and cannot deadlock.
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
-- SecretUpdate replaces the stored form of an endpoint's secrets, headers and userinfo, but not their values, so it
-- does not count as an update of the endpoint.
UPDATE endpoint
SET url = @url,
    headers = @headers,
    secret = @secret,
    old_secrets = @old_secrets
WHERE app_id = @app_id
    AND id = @id;
