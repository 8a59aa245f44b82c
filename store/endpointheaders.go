package store

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (t tx) EndpointHeadersUpdate(ctx context.Context, e core.Endpoint) error {
	c := t.columns(e)
	return t.recall(ctx, e.AppID, wrote(queries.EndpointHeadersUpdate(ctx, t.conn, db.EndpointHeadersUpdateParams{
		AppID: e.AppID, ID: e.ID, URL: c.url, Headers: c.headers, Secret: c.secret, UpdatedAt: e.UpdatedAt,
	})))
}
