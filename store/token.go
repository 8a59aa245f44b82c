package store

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

func (r reader) TokenRevocationExists(ctx context.Context, token core.Token, now time.Time) (bool, error) {
	revoked, err := queries.TokenRevocationExists(ctx, r.conn, db.TokenRevocationExistsParams{
		OrgID: token.OrgID, AppID: token.AppID, IssuedAt: token.IssuedAt, TokenHash: token.Hash,
		SessionID: token.SessionID, Now: now,
	})
	return revoked, mapError(err)
}

func (t tx) TokenRevocationInsertMany(ctx context.Context, r core.TokenRevocation) error {
	sessions := r.SessionIDs
	if sessions == nil {
		sessions = []string{""}
	}
	_, err := queries.TokenRevocationInsertMany(ctx, t.conn, db.TokenRevocationInsertManyParams{
		OrgID: r.OrgID, AppID: r.AppID, TokenHash: r.TokenHash, SessionIDs: sessions,
		IssuedBefore: r.IssuedBefore, EffectiveAt: r.EffectiveAt, ForgetAt: r.ForgetAt,
	})
	return mapError(err)
}

func (t tx) TokenRevocationSupersede(ctx context.Context, r core.TokenRevocation) error {
	// However many there were: none is as good as many.
	_, err := queries.TokenRevocationSupersede(ctx, t.conn, db.TokenRevocationSupersedeParams{
		OrgID: r.OrgID, AppID: r.AppID, IssuedBefore: r.IssuedBefore, EffectiveAt: r.EffectiveAt,
	})
	return mapError(err)
}

var _ core.TokenRevocationPruner = (*Store)(nil)

// pruneRows bounds one statement, and so how long its locks are held.
const pruneRows = 1000

// TokenRevocationPrune forgets the oldest of those that can be.
func (s *Store) TokenRevocationPrune(ctx context.Context, now time.Time) (int64, error) {
	deleted, err := queries.TokenRevocationPruneAnyTenant(ctx, s.pool, db.TokenRevocationPruneAnyTenantParams{
		Now: now, MaxRows: pruneRows,
	})
	return deleted, mapError(err)
}
