-- name: EndpointHeadersUpdate :execrows
-- EndpointHeadersUpdate replaces an endpoint's own HTTP headers.
UPDATE endpoint
SET url = @url,
    headers = @headers,
    secret = @secret,
    updated_at = @updated_at
WHERE app_id = @app_id
    AND id = @id
    AND deleted_at IS NULL;
