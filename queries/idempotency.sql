-- name: IdempotencyKeyClaim :execrows
-- IdempotencyKeyClaim takes a key that is new, or is older than its 12 hours, for this transaction. It changes no row
-- if the key has an answer. Another transaction that claims the same key waits here until this one has ended.
INSERT INTO idempotency_key AS old (org_id, key_hash, status, body, created_at)
VALUES (@org_id, @key_hash, 0, '', @now::timestamptz)
ON CONFLICT (org_id, key_hash) DO UPDATE
SET status = excluded.status,
    body = excluded.body,
    created_at = excluded.created_at
WHERE old.created_at <= @keys_since::timestamptz;

-- name: IdempotencyKeyGet :one
-- IdempotencyKeyGet returns the stored answer of a key.
SELECT status, body
FROM idempotency_key
WHERE org_id = @org_id
    AND key_hash = @key_hash;

-- name: IdempotencyKeyUpdate :execrows
-- IdempotencyKeyUpdate stores the answer of a claimed key.
UPDATE idempotency_key
SET status = @status,
    body = @body
WHERE org_id = @org_id
    AND key_hash = @key_hash;

-- name: IdempotencyKeyDeleteManyAnyTenant :execrows
-- IdempotencyKeyDeleteManyAnyTenant deletes keys older than before from some pages of the table.
DELETE FROM idempotency_key
WHERE ctid = ANY (ARRAY(
    -- SKIP LOCKED, because a request is taking the key over, and may wait for another key that is deleted here.
    SELECT idempotency_key.ctid
    FROM idempotency_key
    WHERE idempotency_key.ctid >= format('(%s,0)', @from_page::bigint)::tid
        AND idempotency_key.ctid < format('(%s,0)', @to_page::bigint)::tid
        AND idempotency_key.created_at <= @before::timestamptz
    FOR UPDATE SKIP LOCKED
));

-- name: MessageKeyDeleteManyAnyTenant :execrows
-- MessageKeyDeleteManyAnyTenant deletes keys older than before from some pages of the table.
DELETE FROM message_key
WHERE ctid = ANY (ARRAY(
    -- SKIP LOCKED, because a statement that stores messages takes several keys over, in an order of its own.
    SELECT message_key.ctid
    FROM message_key
    WHERE message_key.ctid >= format('(%s,0)', @from_page::bigint)::tid
        AND message_key.ctid < format('(%s,0)', @to_page::bigint)::tid
        AND message_key.created_at <= @before::timestamptz
    FOR UPDATE SKIP LOCKED
));

-- name: TablePagesAnyTenant :one
-- TablePagesAnyTenant returns the number of pages of a table.
SELECT (pg_relation_size(to_regclass(@table_name::text)) / current_setting('block_size')::bigint)::bigint;
