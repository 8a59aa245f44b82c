-- name: EndpointGet :one
-- EndpointGet finds an endpoint by id or uid; a uid never looks like an id. The uid is looked up first: with a choice
-- of two columns alone, Postgres might read all endpoints of the application.
WITH named AS (
    SELECT endpoint.id
    FROM endpoint
    WHERE endpoint.app_id = @app_id
        AND endpoint.uid = @ref::text
        AND NOT starts_with(@ref::text, 'ep_')
)
SELECT
    app_id, id, uid, url, description, version, throttle_rate, disabled, event_types, channels,
    secret, headers, metadata, failing_since, created_at, updated_at, old_secrets, old_secrets_expire_at,
    fifo, failures, paused_until, disabled_reason
FROM endpoint
WHERE endpoint.app_id = @app_id
    AND endpoint.id = coalesce((SELECT named.id FROM named), @ref::text)
    AND (endpoint.id = @ref::text OR endpoint.uid = @ref::text) -- rechecked: another transaction may change it
    AND endpoint.deleted_at IS NULL;

-- name: EndpointLock :one
-- EndpointLock is like EndpointGet, and prevents other transactions from changing the row until this one ends.
WITH named AS (
    SELECT endpoint.id
    FROM endpoint
    WHERE endpoint.app_id = @app_id
        AND endpoint.uid = @ref::text
        AND NOT starts_with(@ref::text, 'ep_')
)
SELECT
    app_id, id, uid, url, description, version, throttle_rate, disabled, event_types, channels,
    secret, headers, metadata, failing_since, created_at, updated_at, old_secrets, old_secrets_expire_at,
    fifo, failures, paused_until, disabled_reason
FROM endpoint
WHERE endpoint.app_id = @app_id
    AND endpoint.id = coalesce((SELECT named.id FROM named), @ref::text)
    AND (endpoint.id = @ref::text OR endpoint.uid = @ref::text) -- rechecked: another transaction may change it
    AND endpoint.deleted_at IS NULL
FOR NO KEY UPDATE;

-- name: EndpointListAscending :many
-- EndpointListAscending lists endpoints, oldest first. Deleted endpoints are kept, and count as looked at: it looks
-- at up to max_looked of all, as MessageListDescending does.
SELECT
    endpoint.app_id, endpoint.id, endpoint.uid, endpoint.url, endpoint.description, endpoint.version,
    endpoint.throttle_rate, endpoint.disabled, endpoint.event_types, endpoint.channels, endpoint.secret,
    endpoint.headers, endpoint.metadata, endpoint.failing_since, endpoint.created_at, endpoint.updated_at,
    endpoint.old_secrets, endpoint.old_secrets_expire_at, endpoint.fifo, endpoint.failures,
    endpoint.paused_until, endpoint.disabled_reason, endpoint.matches::boolean AS matches,
    CASE WHEN endpoint.n = @max_looked::int THEN endpoint.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (looked.deleted_at IS NULL) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id) AS n
    FROM (
        SELECT
            app_id, id, uid, url, description, version, throttle_rate, disabled, event_types,
            channels, secret, headers, metadata, failing_since, created_at, updated_at, old_secrets,
            old_secrets_expire_at, fifo, failures, paused_until, disabled_reason, deleted_at
        FROM endpoint
        WHERE app_id = @app_id
            AND id > @after::text
            AND id < @before::text
        ORDER BY id
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS endpoint
WHERE endpoint.matches
    OR endpoint.n = @max_looked::int
ORDER BY endpoint.id
LIMIT @max_rows::int;

-- name: EndpointListDescending :many
-- EndpointListDescending lists endpoints, newest first, as EndpointListAscending does.
SELECT
    endpoint.app_id, endpoint.id, endpoint.uid, endpoint.url, endpoint.description, endpoint.version,
    endpoint.throttle_rate, endpoint.disabled, endpoint.event_types, endpoint.channels, endpoint.secret,
    endpoint.headers, endpoint.metadata, endpoint.failing_since, endpoint.created_at, endpoint.updated_at,
    endpoint.old_secrets, endpoint.old_secrets_expire_at, endpoint.fifo, endpoint.failures,
    endpoint.paused_until, endpoint.disabled_reason, endpoint.matches::boolean AS matches,
    CASE WHEN endpoint.n = @max_looked::int THEN endpoint.id ELSE '' END::text AS ended
FROM (
    SELECT
        looked.*,
        (looked.deleted_at IS NULL) IS TRUE AS matches,
        row_number() OVER (ORDER BY looked.id DESC) AS n
    FROM (
        SELECT
            app_id, id, uid, url, description, version, throttle_rate, disabled, event_types,
            channels, secret, headers, metadata, failing_since, created_at, updated_at, old_secrets,
            old_secrets_expire_at, fifo, failures, paused_until, disabled_reason, deleted_at
        FROM endpoint
        WHERE app_id = @app_id
            AND id > @after::text
            AND id < @before::text
        ORDER BY id DESC
        LIMIT (SELECT @max_looked::int) -- hidden, as in MessageListDescending
    ) AS looked
) AS endpoint
WHERE endpoint.matches
    OR endpoint.n = @max_looked::int
ORDER BY endpoint.id DESC
LIMIT @max_rows::int;

-- name: EndpointInsertLock :one
-- EndpointInsertLock serialises transactions that create endpoints of an application, so that the count in each of
-- them is exact until it ends.
SELECT pg_advisory_xact_lock(hashtextextended(format('%s endpoint %s', current_schema(), tenant.app_id), 0))::text
FROM (SELECT @app_id::text AS app_id) AS tenant;

-- name: EndpointCount :one
-- EndpointCount counts the endpoints of an application, up to most.
SELECT count(*)
FROM (
    SELECT
    FROM endpoint
    WHERE endpoint.app_id = @app_id
        AND endpoint.deleted_at IS NULL
    LIMIT @most::int
) AS there;

-- name: EndpointInsert :execrows
-- EndpointInsert creates an endpoint; a uid that is taken violates endpoint_app_id_uid_key.
INSERT INTO endpoint (
    app_id, id, uid, url, description, version, throttle_rate, disabled, event_types, channels,
    secret, headers, metadata, created_at, updated_at, old_secrets, old_secrets_expire_at, fifo
)
VALUES (
    @app_id, @id, @uid, @url, @description, @version, @throttle_rate, @disabled, @event_types, @channels,
    @secret, @headers, @metadata, @created_at, @updated_at, @old_secrets, @old_secrets_expire_at, @fifo
);

-- name: EndpointUpdate :execrows
-- EndpointUpdate replaces the fields of an endpoint that a client can change. A re-enabled endpoint starts without
-- past failures. Like the next two queries it replaces url, headers and secret together, because they may be sealed
-- as one.
UPDATE endpoint
SET uid = @uid,
    url = @url,
    headers = @headers,
    secret = @secret,
    description = @description,
    version = @version,
    throttle_rate = @throttle_rate,
    disabled = @disabled::boolean,
    event_types = @event_types,
    channels = @channels,
    metadata = @metadata,
    updated_at = @updated_at,
    fifo = @fifo,
    throttled_until = CASE WHEN @throttle_rate::int IS NOT NULL THEN endpoint.throttled_until END,
    failures = @failures,
    failing_since = @failing_since,
    paused_until = @paused_until,
    paused_at = CASE WHEN @paused_until::timestamptz IS NOT NULL THEN endpoint.paused_at END,
    disabled_reason = @disabled_reason
WHERE endpoint.app_id = @app_id
    AND endpoint.id = @id
    AND endpoint.deleted_at IS NULL;

-- name: EndpointWanted :one
-- EndpointWanted reports whether any endpoint of the application wants such a message. Its condition is that of the
-- fan-out in MessageInsertMany.
SELECT EXISTS (
    SELECT 1
    FROM endpoint
    WHERE endpoint.app_id = @app_id
        AND endpoint.deleted_at IS NULL
        AND NOT endpoint.disabled
        AND (endpoint.event_types IS NULL OR @event_type::text = ANY (endpoint.event_types))
        AND (endpoint.channels IS NULL OR endpoint.channels && @channels::text[])
)::boolean;

-- name: EndpointDelete :execrows
-- EndpointDelete hides an endpoint.
UPDATE endpoint
SET deleted_at = @now::timestamptz,
    uid = NULL
WHERE endpoint.app_id = @app_id
    AND endpoint.id = @id
    AND endpoint.deleted_at IS NULL;
