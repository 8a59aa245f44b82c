-- A view of the endpoints' URLs for those who may not see the user and password that a URL can contain.
--
-- A new view only: no table is locked. If it stops halfway, nothing has changed; run it again.

-- migrate:up
CREATE VIEW endpoint_url AS
SELECT
    endpoint.app_id,
    endpoint.id,
    regexp_replace(endpoint.url, '^([^:]*:[/\\\t\r\n]*|)[^/\\?#]*@', '\1***@') AS url
FROM endpoint;

COMMENT ON VIEW endpoint_url IS 'The URLs of all endpoints, for roles that may not read endpoint.url.';
COMMENT ON COLUMN endpoint_url.app_id IS 'The application that the endpoint belongs to.';
COMMENT ON COLUMN endpoint_url.id IS 'The id of the endpoint.';
COMMENT ON COLUMN endpoint_url.url IS 'Where its webhooks go, with *** for a user and password.';

-- migrate:down
DROP VIEW endpoint_url;
