-- name: ApplicationGet :one
-- ApplicationGet finds an application by id or uid; a uid never looks like an id. The uid is looked up first: with a
-- choice of two columns alone, Postgres might read all rows of the organisation.
WITH named AS (
    SELECT application.id
    FROM application
    WHERE application.org_id = @org_id
        AND application.uid = @ref::text
        AND NOT starts_with(@ref::text, 'app_')
)
SELECT org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at
FROM application
WHERE application.org_id = @org_id
    AND application.id = coalesce((SELECT named.id FROM named), @ref::text)
    AND (application.id = @ref::text OR application.uid = @ref::text) -- rechecked: another transaction may change it
    AND application.deleted_at IS NULL;

-- name: ApplicationLock :one
-- ApplicationLock is like ApplicationGet, and prevents other transactions from changing the row until this one ends.
WITH named AS (
    SELECT application.id
    FROM application
    WHERE application.org_id = @org_id
        AND application.uid = @ref::text
        AND NOT starts_with(@ref::text, 'app_')
)
SELECT org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at
FROM application
WHERE application.org_id = @org_id
    AND application.id = coalesce((SELECT named.id FROM named), @ref::text)
    AND (application.id = @ref::text OR application.uid = @ref::text) -- rechecked: another transaction may change it
    AND application.deleted_at IS NULL
FOR NO KEY UPDATE;

-- name: ApplicationLockForDelete :one
-- ApplicationLockForDelete is like ApplicationLock, and also waits for transactions that hold the application.
WITH named AS (
    SELECT application.id
    FROM application
    WHERE application.org_id = @org_id
        AND application.uid = @ref::text
        AND NOT starts_with(@ref::text, 'app_')
)
SELECT org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at
FROM application
WHERE application.org_id = @org_id
    AND application.id = coalesce((SELECT named.id FROM named), @ref::text)
    AND (application.id = @ref::text OR application.uid = @ref::text) -- rechecked: another transaction may change it
    AND application.deleted_at IS NULL
FOR UPDATE;

-- name: ApplicationHold :one
-- ApplicationHold prevents an application from being deleted until the transaction ends. It takes the KEY SHARE lock
-- that an endpoint's foreign key takes anyway, which does not conflict with itself, with updates of the application
-- or with claims for it.
SELECT id
FROM application
WHERE org_id = @org_id
    AND id = @id
    AND deleted_at IS NULL
FOR KEY SHARE;

-- name: ApplicationListAscending :many
-- ApplicationListAscending lists applications, oldest first. Deleted applications are kept, and count as looked at:
-- it looks at up to max_looked of all, as MessageListDescending does.
SELECT
    application.org_id, application.id, application.uid, application.name, application.throttle_rate,
    application.metadata, application.created_at, application.updated_at, application.matches::boolean AS matches,
    CASE WHEN application.n = @max_looked::int THEN application.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (looked.deleted_at IS NULL) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id) AS n
    FROM (
        SELECT
            org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at, deleted_at
        FROM application
        -- Row comparisons, because only the primary key has their order: the index on id covers all organisations.
        WHERE (org_id, id) > (@org_id::text, @after::text)
            AND (org_id, id) < (@org_id::text, @before::text)
        ORDER BY org_id, id
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS application
WHERE application.matches
    OR application.n = @max_looked::int
ORDER BY application.id
LIMIT @max_rows::int;

-- name: ApplicationListDescending :many
-- ApplicationListDescending lists applications, newest first, as ApplicationListAscending does.
SELECT
    application.org_id, application.id, application.uid, application.name, application.throttle_rate,
    application.metadata, application.created_at, application.updated_at, application.matches::boolean AS matches,
    CASE WHEN application.n = @max_looked::int THEN application.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (looked.deleted_at IS NULL) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id DESC) AS n
    FROM (
        SELECT
            org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at, deleted_at
        FROM application
        -- Row comparisons, as in ApplicationListAscending.
        WHERE (org_id, id) > (@org_id::text, @after::text)
            AND (org_id, id) < (@org_id::text, @before::text)
        ORDER BY org_id DESC, id DESC
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS application
WHERE application.matches
    OR application.n = @max_looked::int
ORDER BY application.id DESC
LIMIT @max_rows::int;

-- name: ApplicationFilterMany :many
-- ApplicationFilterMany returns the applications that remain after filtering by their endpoints. Each is examined
-- separately, and no further than necessary: LIMIT keeps Postgres from reading all endpoints for a join.
SELECT wanted.app_id::text AS app_id
FROM unnest(@app_ids::text[]) AS wanted(app_id)
LEFT JOIN LATERAL (
    SELECT true AS found
    FROM endpoint
    WHERE endpoint.app_id = wanted.app_id
        AND endpoint.deleted_at IS NULL
    LIMIT 1
) AS present ON true
LEFT JOIN LATERAL (
    SELECT true AS found
    FROM endpoint
    WHERE @disabled_endpoints::boolean
        AND endpoint.app_id = wanted.app_id
        AND endpoint.deleted_at IS NULL
        AND NOT endpoint.disabled
    LIMIT 1
) AS enabled ON true
LEFT JOIN LATERAL (
    SELECT true AS found
    FROM endpoint
    WHERE @play_endpoints::boolean
        AND endpoint.app_id = wanted.app_id
        AND endpoint.deleted_at IS NULL
        AND endpoint.url !~ '^https?://play\.svix\.com[:/]'
    LIMIT 1
) AS elsewhere ON true
WHERE (present.found OR NOT @no_endpoints::boolean)
    AND (present.found IS NULL OR enabled.found OR NOT @disabled_endpoints::boolean)
    AND (present.found IS NULL OR elsewhere.found OR NOT @play_endpoints::boolean)
ORDER BY wanted.app_id
LIMIT cardinality(@app_ids::text[]);

-- name: ApplicationInsert :execrows
-- ApplicationInsert creates an application; a uid that is taken violates application_org_id_uid_key.
INSERT INTO application (org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at)
VALUES (@org_id, @id, @uid, @name, @throttle_rate, @metadata, @created_at, @updated_at);

-- name: ApplicationUpdate :execrows
-- ApplicationUpdate replaces the fields of an application that a client can change.
UPDATE application
SET uid = @uid,
    name = @name,
    throttle_rate = @throttle_rate,
    metadata = @metadata,
    updated_at = @updated_at
WHERE org_id = @org_id
    AND id = @id
    AND deleted_at IS NULL;

-- name: ApplicationDelete :execrows
-- ApplicationDelete hides an application and its endpoints.
WITH endpoints AS (
    UPDATE endpoint
    SET deleted_at = @now::timestamptz,
        uid = NULL
    WHERE endpoint.app_id = @id
        AND endpoint.deleted_at IS NULL
)
UPDATE application
SET deleted_at = @now::timestamptz,
    uid = NULL
WHERE application.org_id = @org_id
    AND application.id = @id
    AND application.deleted_at IS NULL;

-- name: ApplicationResolveMany :many
-- ApplicationResolveMany finds applications by ids or uids and omits those that do not exist. It makes two look-ups,
-- each on its own index; only one of them can find anything.
SELECT wanted.ref::text AS ref, application.id
FROM unnest(@refs::text[]) AS wanted(ref)
CROSS JOIN LATERAL (
    SELECT application.id
    FROM application
    WHERE application.org_id = @org_id
        AND application.id = wanted.ref
        AND application.deleted_at IS NULL
    LIMIT 1
) AS application
UNION ALL
SELECT wanted.ref::text AS ref, application.id
FROM unnest(@refs::text[]) AS wanted(ref)
CROSS JOIN LATERAL (
    SELECT application.id
    FROM application
    WHERE application.org_id = @org_id
        AND application.uid = wanted.ref
        AND application.deleted_at IS NULL
    LIMIT 1
) AS application
ORDER BY ref
LIMIT cardinality(@refs::text[]);
