-- name: EventTypeGet :one
-- EventTypeGet finds an event type by name, archived or not.
SELECT org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at, group_name
FROM event_type
WHERE org_id = @org_id
    AND name = @name;

-- name: EventTypeLock :one
-- EventTypeLock is like EventTypeGet, and prevents other transactions from changing the row until this one ends.
SELECT org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at, group_name
FROM event_type
WHERE org_id = @org_id
    AND name = @name
FOR NO KEY UPDATE;

-- name: EventTypeListAscending :many
-- EventTypeListAscending lists event types by name. It looks at up to max_looked of them, as MessageListDescending
-- does.
SELECT
    event_type.org_id, event_type.name, event_type.description, event_type.archived, event_type.deprecated,
    event_type.schemas, event_type.feature_flags, event_type.created_at, event_type.updated_at,
    event_type.group_name, event_type.matches::boolean AS matches,
    CASE WHEN event_type.n = @max_looked::int THEN event_type.name ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (
            (@archived::boolean OR NOT looked.archived)
            AND (@all_flags::boolean OR looked.feature_flags IS NULL OR looked.feature_flags && @flags::text[])
        ) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.name) AS n
    FROM (
        SELECT
            org_id, name, description, archived, deprecated, schemas, feature_flags, created_at,
            updated_at, group_name
        FROM event_type
        WHERE org_id = @org_id
            AND name > @after::text
            AND name < @before::text
        ORDER BY name
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS event_type
WHERE event_type.matches
    OR event_type.n = @max_looked::int
ORDER BY event_type.name
LIMIT @max_rows::int;

-- name: EventTypeListDescending :many
-- EventTypeListDescending lists event types by name in descending order, as EventTypeListAscending does.
SELECT
    event_type.org_id, event_type.name, event_type.description, event_type.archived, event_type.deprecated,
    event_type.schemas, event_type.feature_flags, event_type.created_at, event_type.updated_at,
    event_type.group_name, event_type.matches::boolean AS matches,
    CASE WHEN event_type.n = @max_looked::int THEN event_type.name ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (
            (@archived::boolean OR NOT looked.archived)
            AND (@all_flags::boolean OR looked.feature_flags IS NULL OR looked.feature_flags && @flags::text[])
        ) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.name DESC) AS n
    FROM (
        SELECT
            org_id, name, description, archived, deprecated, schemas, feature_flags, created_at,
            updated_at, group_name
        FROM event_type
        WHERE org_id = @org_id
            AND name > @after::text
            AND name < @before::text
        ORDER BY name DESC
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS event_type
WHERE event_type.matches
    OR event_type.n = @max_looked::int
ORDER BY event_type.name DESC
LIMIT @max_rows::int;

-- name: EventTypeNames :many
-- EventTypeNames returns those of the given names that an endpoint may subscribe to.
SELECT found.name
FROM (SELECT DISTINCT n.name FROM unnest(@names::text[]) AS n(name)) AS wanted
CROSS JOIN LATERAL (
    -- LIMIT makes one look-up per name, where a join might read all event types of the organisation.
    SELECT event_type.name
    FROM event_type
    WHERE event_type.org_id = @org_id
        AND event_type.name = wanted.name
        AND NOT event_type.archived
    LIMIT 1
) AS found
ORDER BY found.name
LIMIT cardinality(@names::text[]);

-- name: EventTypeInsert :execrows
-- EventTypeInsert creates an event type or overwrites an archived one. It changes no row if the event type exists.
INSERT INTO event_type (org_id, name, description, archived, deprecated, schemas, feature_flags, created_at, updated_at, group_name)
VALUES (@org_id, @name, @description, @archived, @deprecated, @schemas, @feature_flags, @created_at, @updated_at, @group_name)
ON CONFLICT (org_id, name) DO UPDATE
SET description = excluded.description,
    archived = excluded.archived,
    deprecated = excluded.deprecated,
    schemas = excluded.schemas,
    feature_flags = excluded.feature_flags,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at,
    group_name = excluded.group_name
WHERE event_type.archived;

-- name: EventTypeUpdate :execrows
-- EventTypeUpdate replaces the fields of an event type that a client can change.
UPDATE event_type
SET description = @description,
    archived = @archived,
    deprecated = @deprecated,
    schemas = @schemas,
    feature_flags = @feature_flags,
    updated_at = @updated_at,
    group_name = @group_name
WHERE org_id = @org_id
    AND name = @name;

-- name: EventTypeDelete :execrows
-- EventTypeDelete deletes an event type permanently. Endpoints keep its name in their subscriptions.
DELETE FROM event_type
WHERE org_id = @org_id
    AND name = @name;
