package store

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (t tx) EndpointUpdateSecret(ctx context.Context, e core.Endpoint) error {
	c := t.columns(e)
	return t.recall(ctx, e.AppID, wrote(queries.EndpointUpdateSecret(ctx, t.conn, db.EndpointUpdateSecretParams{
		AppID: e.AppID, ID: e.ID, URL: c.url, Headers: c.headers, Secret: c.secret,
		OldSecrets: t.keys.sealMany(e.OldSecrets, e.AppID, e.ID), OldSecretsExpireAt: e.OldSecretsExpireAt, UpdatedAt: e.UpdatedAt,
	})))
}
