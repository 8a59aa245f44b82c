-- name: TokenRevocationFindMany :many
-- TokenRevocationFindMany returns the numbers, from 1, of the tokens that are revoked by now. The three kinds of row
-- are looked up separately, each by its own index. A token of an organisation is looked up with the organisation's id
-- as its application id.
SELECT token.n::bigint AS n
FROM unnest(
    @org_ids::text[], @app_ids::text[], @token_hashes::bytea[], @session_ids::text[], @issued_ats::timestamptz[],
    @nows::timestamptz[]
) WITH ORDINALITY AS token(org_id, app_id, token_hash, session_id, issued_at, now, n)
LEFT JOIN LATERAL (
    SELECT true AS revoked
    FROM token_revocation AS r
    WHERE r.org_id = token.org_id
        AND r.app_id = token.app_id
        AND r.token_hash IS NULL
        AND r.session_id IS NULL
        AND r.issued_before > token.issued_at
        AND r.effective_at <= token.now
    LIMIT 1 -- here and below, keeps the planner from reading the whole table for a hash
) AS every ON true
LEFT JOIN LATERAL (
    SELECT true AS revoked
    FROM token_revocation AS r
    WHERE r.org_id = token.org_id
        AND r.app_id = token.app_id
        AND r.token_hash = token.token_hash
        AND r.issued_before > token.issued_at
        AND r.effective_at <= token.now
    LIMIT 1
) AS one ON true
LEFT JOIN LATERAL (
    SELECT true AS revoked
    FROM token_revocation AS r
    WHERE r.org_id = token.org_id
        AND r.app_id = token.app_id
        AND r.token_hash IS NULL
        AND r.session_id = token.session_id
        AND r.issued_before > token.issued_at
        AND r.effective_at <= token.now
    LIMIT 1
) AS session ON true
WHERE every.revoked OR one.revoked OR session.revoked
ORDER BY token.n
LIMIT 512;

-- name: TokenRevocationInsertMany :execrows
-- TokenRevocationInsertMany stores one row for each session; an empty session id means none.
INSERT INTO token_revocation (org_id, app_id, token_hash, session_id, issued_before, effective_at, forget_at)
SELECT
    @org_id,
    @app_id,
    sqlc.narg(token_hash)::bytea,
    nullif(s.session_id, ''),
    @issued_before::timestamptz,
    @effective_at::timestamptz,
    sqlc.narg(forget_at)::timestamptz
FROM unnest(@session_ids::text[]) AS s (session_id);

-- name: TokenRevocationSupersede :execrows
-- TokenRevocationSupersede lets rows about all of an application's tokens expire at the instant from which another
-- row covers them.
UPDATE token_revocation
SET forget_at = least(token_revocation.forget_at, @effective_at::timestamptz)
WHERE token_revocation.org_id = @org_id
    AND token_revocation.app_id = @app_id
    AND token_revocation.token_hash IS NULL
    AND token_revocation.session_id IS NULL
    AND token_revocation.issued_before <= @issued_before;

-- name: TokenRevocationPruneAnyTenant :execrows
-- TokenRevocationPruneAnyTenant deletes rows that no longer have an effect, the oldest first.
DELETE FROM token_revocation
WHERE token_revocation.ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM token_revocation AS r
    WHERE r.forget_at < @now::timestamptz
    ORDER BY r.forget_at
    LIMIT @max_rows::int
    -- Several processes may prune at once: each takes rows that no other has locked.
    FOR UPDATE SKIP LOCKED
));
