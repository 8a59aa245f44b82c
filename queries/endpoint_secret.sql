-- name: EndpointUpdateSecret :execrows
-- EndpointUpdateSecret replaces an endpoint's secret and the old secrets that still sign alongside it.
UPDATE endpoint
SET url = @url,
    headers = @headers,
    secret = @secret,
    old_secrets = @old_secrets,
    old_secrets_expire_at = @old_secrets_expire_at,
    updated_at = @updated_at
WHERE app_id = @app_id
    AND id = @id
    AND deleted_at IS NULL;
