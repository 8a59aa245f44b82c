-- name: IdempotencyKeyClaim :execrows
-- IdempotencyKeyClaim takes a key that is new, or has outlived its 12 hours, for this transaction; no
-- row: it has an answer. A transaction that claims the same key waits here until this one has ended.
INSERT INTO idempotency_key AS old (org_id, key_hash, status, body, created_at)
VALUES (@org_id, @key_hash, 0, '', @now::timestamptz)
ON CONFLICT (org_id, key_hash) DO UPDATE
SET status = excluded.status,
    body = excluded.body,
    created_at = excluded.created_at
WHERE old.created_at <= @keys_since::timestamptz;

-- name: IdempotencyKeyGet :one
-- IdempotencyKeyGet is the answer that a key has.
SELECT status, body
FROM idempotency_key
WHERE org_id = @org_id
    AND key_hash = @key_hash;

-- name: IdempotencyKeyUpdate :execrows
-- IdempotencyKeyUpdate gives a key that is claimed its answer.
UPDATE idempotency_key
SET status = @status,
    body = @body
WHERE org_id = @org_id
    AND key_hash = @key_hash;

-- name: IdempotencyKeyDeleteManyAnyTenant :execrows
-- IdempotencyKeyDeleteManyAnyTenant deletes what is older than before from some pages of the table.
DELETE FROM idempotency_key
WHERE ctid = ANY (ARRAY(
    -- SKIP LOCKED: a request is taking this one over, and may wait for another that is deleted here.
    SELECT idempotency_key.ctid
    FROM idempotency_key
    WHERE idempotency_key.ctid >= format('(%s,0)', @from_page::bigint)::tid
        AND idempotency_key.ctid < format('(%s,0)', @to_page::bigint)::tid
        AND idempotency_key.created_at <= @before::timestamptz
    FOR UPDATE SKIP LOCKED
));

-- name: MessageKeyDeleteManyAnyTenant :execrows
-- MessageKeyDeleteManyAnyTenant deletes what is older than before from some pages of the table.
DELETE FROM message_key
WHERE ctid = ANY (ARRAY(
    -- SKIP LOCKED: a statement that stores messages takes several over, in an order of its own.
    SELECT message_key.ctid
    FROM message_key
    WHERE message_key.ctid >= format('(%s,0)', @from_page::bigint)::tid
        AND message_key.ctid < format('(%s,0)', @to_page::bigint)::tid
        AND message_key.created_at <= @before::timestamptz
    FOR UPDATE SKIP LOCKED
));

-- name: TablePagesAnyTenant :one
-- TablePagesAnyTenant is how many pages a table has.
SELECT (pg_relation_size(to_regclass(@table_name::text)) / current_setting('block_size')::bigint)::bigint;
