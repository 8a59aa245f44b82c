package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

// TokenTrust is how long an organisation's token is not checked again after it was found valid. Such a token comes
// with every message. Waiting for another statement each time cost 6 % of the throughput; ten times a second, the
// cost could not be told from noise. After this time a revocation has taken effect in every process.
const TokenTrust = 100 * time.Millisecond

// TokenRevocationExists reports whether a token was revoked. Concurrent callers share a statement.
func (s *Store) TokenRevocationExists(ctx context.Context, token core.Token, now time.Time) (bool, error) {
	if token.AppID != "" {
		return s.tokens.do(ctx, tokenAt{token, now})
	}
	begun := s.clock.local() // the look-up may miss a revocation that is committed later
	if s.trusted.has(token.Hash, begun) {
		return false, nil
	}
	revoked, err := s.tokens.do(ctx, tokenAt{token, now})
	if err == nil && !revoked {
		s.trusted.put(token.Hash, begun)
	}
	return revoked, err
}

// trusted holds tokens that were recently found valid.
type trusted struct {
	mu    sync.Mutex
	begun map[string]time.Time // when each look-up began, by hash
}

// trustedMax bounds the memory of trusted tokens. At that number, all are forgotten and checked again.
const trustedMax = 1000

func (t *trusted) has(hash []byte, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	begun, found := t.begun[string(hash)]
	age := now.Sub(begun)
	return found && age >= 0 && age < TokenTrust
}

func (t *trusted) put(hash []byte, begun time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.begun) >= trustedMax || t.begun == nil {
		t.begun = map[string]time.Time{}
	}
	t.begun[string(hash)] = begun
}

func (r reader) TokenRevocationExists(ctx context.Context, token core.Token, now time.Time) (bool, error) {
	found, err := r.findRevoked(ctx, []tokenAt{{token, now}})
	if err != nil {
		return false, mapError(err)
	}
	return found[0].out, nil
}

// tokenAt is a token to check, and the time of the check.
type tokenAt struct {
	core.Token
	now time.Time
}

// tokenSubject returns the id whose tokens a row is about. An organisation's id is never an application's id.
func tokenSubject(org core.OrgID, app core.AppID) core.AppID {
	if app == "" {
		return core.AppID(org)
	}
	return app
}

// findRevoked returns for each token whether it was revoked. Because many callers use the same token, each token is
// looked up once, at the latest of the callers' times.
func (r reader) findRevoked(ctx context.Context, tokens []tokenAt) ([]outcome[bool], error) {
	var p db.TokenRevocationFindManyParams
	places := make([]int, len(tokens)) // indexes in p
	known := map[string]int{}
	for i, t := range tokens {
		subject := tokenSubject(t.OrgID, t.AppID)
		place, found := known[string(t.Hash)]
		if !found {
			place = len(p.Nows)
			known[string(t.Hash)] = place
			p.OrgIDs, p.AppIDs = append(p.OrgIDs, string(t.OrgID)), append(p.AppIDs, string(subject))
			p.TokenHashes, p.SessionIDs = append(p.TokenHashes, t.Hash), append(p.SessionIDs, t.SessionID)
			p.IssuedAts, p.Nows = append(p.IssuedAts, t.IssuedAt), append(p.Nows, t.now)
		}
		places[i] = place
		if t.now.After(p.Nows[place]) {
			p.Nows[place] = t.now
		}
	}
	numbers, err := queries.TokenRevocationFindMany(ctx, r.conn, p)
	if err != nil {
		return nil, err
	}
	outcomes := make([]outcome[bool], len(tokens))
	for i, place := range places {
		outcomes[i].out = slices.Contains(numbers, int64(place)+1)
	}
	return outcomes, nil
}

func (t tx) TokenRevocationInsertMany(ctx context.Context, r core.TokenRevocation) error {
	sessions := r.SessionIDs
	if sessions == nil {
		sessions = []string{""}
	}
	_, err := queries.TokenRevocationInsertMany(ctx, t.conn, db.TokenRevocationInsertManyParams{
		OrgID: r.OrgID, AppID: tokenSubject(r.OrgID, r.AppID), TokenHash: r.TokenHash, SessionIDs: sessions,
		IssuedBefore: r.IssuedBefore, EffectiveAt: r.EffectiveAt, ForgetAt: r.ForgetAt,
	})
	return mapError(err)
}

func (t tx) TokenRevocationSupersede(ctx context.Context, r core.TokenRevocation) error {
	// Any number of rows is fine, including none.
	_, err := queries.TokenRevocationSupersede(ctx, t.conn, db.TokenRevocationSupersedeParams{
		OrgID: r.OrgID, AppID: tokenSubject(r.OrgID, r.AppID), IssuedBefore: r.IssuedBefore, EffectiveAt: r.EffectiveAt,
	})
	return mapError(err)
}

var _ core.TokenRevocationPruner = (*Store)(nil)

// pruneRows bounds the rows of one statement, and so how long its locks are held.
const pruneRows = 1000

// TokenRevocationPrune deletes the oldest revocations that are no longer needed.
func (s *Store) TokenRevocationPrune(ctx context.Context, now time.Time) (int64, error) {
	deleted, err := queries.TokenRevocationPruneAnyTenant(ctx, s.pools.jobs, db.TokenRevocationPruneAnyTenantParams{
		Now: now, MaxRows: pruneRows,
	})
	return deleted, mapError(err)
}
