-- name: EventTypeGet :one
-- EventTypeGet finds an event type by name, archived or not.
SELECT org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at
FROM event_type
WHERE org_id = @org_id
    AND name = @name;

-- name: EventTypeLock :one
-- EventTypeLock is EventTypeGet, and keeps others from changing the row until the transaction ends.
SELECT org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at
FROM event_type
WHERE org_id = @org_id
    AND name = @name
FOR NO KEY UPDATE;

-- name: EventTypeListAscending :many
-- EventTypeListAscending lists event types by name.
SELECT org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at
FROM event_type
WHERE org_id = @org_id
    AND name > @after::text
    AND name < @before::text
    AND (@archived::boolean OR NOT archived)
    AND (@all_flags::boolean OR feature_flags IS NULL OR feature_flags && @flags::text[])
ORDER BY name
LIMIT @max_rows::int;

-- name: EventTypeListDescending :many
-- EventTypeListDescending lists event types by name, the last first.
SELECT org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at
FROM event_type
WHERE org_id = @org_id
    AND name > @after::text
    AND name < @before::text
    AND (@archived::boolean OR NOT archived)
    AND (@all_flags::boolean OR feature_flags IS NULL OR feature_flags && @flags::text[])
ORDER BY name DESC
LIMIT @max_rows::int;

-- name: EventTypeNames :many
-- EventTypeNames returns those of the names that an endpoint may subscribe to.
SELECT name
FROM event_type
WHERE org_id = @org_id
    AND name = ANY (@names::text[])
    AND NOT archived
ORDER BY name
LIMIT cardinality(@names::text[]);

-- name: EventTypeInsert :execrows
-- EventTypeInsert makes an event type or overwrites an archived one; no row: it exists already.
INSERT INTO event_type (org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at)
VALUES (@org_id, @name, @description, @archived, @deprecated, @schemas, @feature_flags, @created_at, @updated_at)
ON CONFLICT (org_id, name) DO UPDATE
SET description = excluded.description,
    archived = excluded.archived,
    deprecated = excluded.deprecated,
    schemas = excluded.schemas,
    feature_flags = excluded.feature_flags,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at
WHERE event_type.archived;

-- name: EventTypeUpdate :execrows
-- EventTypeUpdate replaces what a client can change of an event type.
UPDATE event_type
SET description = @description,
    archived = @archived,
    deprecated = @deprecated,
    schemas = @schemas,
    feature_flags = @feature_flags,
    updated_at = @updated_at
WHERE org_id = @org_id
    AND name = @name;

-- name: EventTypeDelete :execrows
-- EventTypeDelete removes an event type for good. Endpoints keep its name in their subscriptions.
DELETE FROM event_type
WHERE org_id = @org_id
    AND name = @name;
