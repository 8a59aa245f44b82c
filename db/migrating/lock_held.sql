-- Whether the session that took the lock of the migrations, $1, still holds the lock, $2. After a failover the new
-- primary has never seen it.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory'
        AND granted
        AND pid = $1::text::int
        AND classid = (($2::text::bigint >> 32) & 4294967295)::oid
        AND objid = ($2::text::bigint & 4294967295)::oid
        AND objsubid = 1
)
