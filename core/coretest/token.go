package coretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// TokenRevocationExists implements [core.Tx].
func (s *Store) TokenRevocationExists(_ context.Context, token core.Token, now time.Time) (bool, error) {
	return slices.ContainsFunc(s.Revocations, func(r core.TokenRevocation) bool {
		return r.OrgID == token.OrgID && r.AppID == token.AppID &&
			(r.TokenHash == nil || slices.Equal(r.TokenHash, token.Hash)) &&
			(r.SessionIDs == nil || slices.Contains(r.SessionIDs, token.SessionID)) &&
			token.IssuedAt.Before(r.IssuedBefore) && !r.EffectiveAt.After(now)
	}), nil
}

// TokenRevocationInsertMany implements [core.Tx].
func (s *Store) TokenRevocationInsertMany(_ context.Context, r core.TokenRevocation) error {
	s.Revocations = append(s.Revocations, r)
	return nil
}

// TokenRevocationSupersede implements [core.Tx]. It only records the call.
func (s *Store) TokenRevocationSupersede(_ context.Context, r core.TokenRevocation) error {
	s.Superseded = append(s.Superseded, r)
	return nil
}

// Tokens is a core.TokenMaker that cannot issue tokens.
type Tokens struct{}

var errNoKey = errors.New("there is no key to sign tokens with")

// CanMake implements [core.TokenMaker].
func (Tokens) CanMake() error { return errNoKey }

// App implements [core.TokenMaker].
func (Tokens) App(core.AppGrant) (string, error) { return "", errNoKey }

// Grants is a core.TokenMaker that records what it issues tokens for.
type Grants struct{ All []core.AppGrant }

// CanMake implements [core.TokenMaker].
func (*Grants) CanMake() error { return nil }

// App implements [core.TokenMaker].
func (g *Grants) App(grant core.AppGrant) (string, error) {
	g.All = append(g.All, grant)
	return fmt.Sprint("token ", len(g.All)), nil
}
