-- name: EventTypeImportLock :one
-- EventTypeImportLock serialises the imports of an organisation until the transaction ends. Each import locks the
-- event types that it names and then those that it does not, and no order of both is the same for two imports.
SELECT pg_advisory_xact_lock(hashtextextended(format('%s event_type %s', current_schema(), tenant.org_id), 0))::text
FROM (SELECT @org_id::text AS org_id) AS tenant;

-- name: EventTypeImport :execrows
-- EventTypeImport creates or replaces an event type, archived or not. It changes no row if the event type is the same
-- already.
INSERT INTO event_type (org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at, group_name)
VALUES (@org_id, @name, @description, @archived, @deprecated, @schemas, @feature_flags, @created_at, @updated_at, @group_name)
ON CONFLICT (org_id, name) DO UPDATE
SET description = excluded.description,
    archived = excluded.archived,
    deprecated = excluded.deprecated,
    schemas = excluded.schemas,
    -- Imports often say nothing about these two flags: clearing them would then show all customers what was hidden
    -- from them.
    feature_flags = coalesce(excluded.feature_flags, event_type.feature_flags),
    group_name = coalesce(excluded.group_name, event_type.group_name),
    updated_at = excluded.updated_at
    -- Schemas are compared as text, because json has no equality; a different spelling counts as a change.
WHERE (event_type.description, event_type.archived, event_type.deprecated, event_type.schemas::text)
        IS DISTINCT FROM (excluded.description, excluded.archived, excluded.deprecated, excluded.schemas::text)
    OR event_type.feature_flags <> excluded.feature_flags
    OR event_type.feature_flags IS NULL AND excluded.feature_flags IS NOT NULL
    OR event_type.group_name <> excluded.group_name
    OR event_type.group_name IS NULL AND excluded.group_name IS NOT NULL;

-- name: EventTypeArchiveOthers :many
-- EventTypeArchiveOthers archives all event types except the named ones, up to max_rows, and returns them without
-- their schemas, which may be megabytes.
WITH other AS (
    SELECT event_type.name
    FROM event_type
    WHERE event_type.org_id = @org_id
        AND NOT event_type.archived
        AND event_type.name <> ALL (@names::text[])
    ORDER BY event_type.name
    LIMIT @max_rows::int
    -- In name order, so that two imports wait for each other rather than deadlock.
    FOR NO KEY UPDATE
)
UPDATE event_type
SET archived = true,
    updated_at = @now
FROM other
WHERE event_type.org_id = @org_id
    AND event_type.name = other.name
RETURNING event_type.org_id, event_type.name, event_type.description, event_type.archived, event_type.deprecated,
    event_type.feature_flags, event_type.created_at, event_type.updated_at, event_type.group_name;
