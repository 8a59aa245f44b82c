-- name: TokenRevocationExists :one
-- TokenRevocationExists tells whether any row revokes a token of an application by now. The three kinds of row
-- are looked for apart, each by the index of its own.
SELECT (
    EXISTS (
        SELECT FROM token_revocation AS r
        WHERE r.org_id = @org_id
            AND r.app_id = @app_id
            AND r.token_hash IS NULL
            AND r.session_id IS NULL
            AND r.issued_before > @issued_at
            AND r.effective_at <= @now::timestamptz
    )
    OR EXISTS (
        SELECT FROM token_revocation AS r
        WHERE r.org_id = @org_id
            AND r.app_id = @app_id
            AND r.token_hash = @token_hash::bytea
            AND r.issued_before > @issued_at
            AND r.effective_at <= @now::timestamptz
    )
    OR EXISTS (
        SELECT FROM token_revocation AS r
        WHERE r.org_id = @org_id
            AND r.app_id = @app_id
            AND r.token_hash IS NULL
            AND r.session_id = @session_id::text
            AND r.issued_before > @issued_at
            AND r.effective_at <= @now::timestamptz
    )
)::boolean;

-- name: TokenRevocationInsertMany :execrows
-- TokenRevocationInsertMany stores one row for each of the sessions; an empty one is none.
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
-- TokenRevocationSupersede has rows about all of an application's tokens forgotten at the instant from which on
-- another one says the same and more.
UPDATE token_revocation
SET forget_at = least(token_revocation.forget_at, @effective_at::timestamptz)
WHERE token_revocation.org_id = @org_id
    AND token_revocation.app_id = @app_id
    AND token_revocation.token_hash IS NULL
    AND token_revocation.session_id IS NULL
    AND token_revocation.issued_before <= @issued_before;

-- name: TokenRevocationPruneAnyTenant :execrows
-- TokenRevocationPruneAnyTenant deletes rows that change nothing any more, the oldest first.
DELETE FROM token_revocation
WHERE token_revocation.ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM token_revocation AS r
    WHERE r.forget_at < @now::timestamptz
    ORDER BY r.forget_at
    LIMIT @max_rows::int
    -- Several processes may prune at once: each takes what no other has.
    FOR UPDATE SKIP LOCKED
));
