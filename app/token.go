package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server/token"
	"github.com/postrider/postrider/store"
)

type tokenCommand struct {
	Issue  tokenIssueCommand  `cmd:"" default:"withargs" help:"Print an API token to standard output, and its expiry to standard error (the default)."`
	Revoke tokenRevokeCommand `cmd:"" help:"Revoke a token, or all tokens of an organisation, in all processes."`
}

type tokenIssueCommand struct {
	Org         string        `arg:"" optional:"" default:"org_23rb8YdGqMT0qIzpgGwdXfHirMu" help:"Id of the organisation: org_ and any name you choose."`
	Application string        `placeholder:"ID" help:"Limit the token to this application of the organisation (app_...)."`
	Expiry      time.Duration `placeholder:"DURATION" help:"Lifetime of the token, such as 720h. Default: 8760h (1 year); with --application, 672h (28 days)."`
}

// Run prints nothing but the token to standard output, for TOKEN=$(postrider token).
func (t tokenIssueCommand) Run(c *Config, con console) error {
	if !core.IsOrgID(t.Org) {
		return fmt.Errorf("%q is not an organisation id: use org_ and a name; the organisation of operational webhooks is reserved", t.Org)
	}
	if t.Application != "" && !core.IsAppID(t.Application) {
		return fmt.Errorf("--application: %q is not an application id; ids begin with app_", t.Application)
	}
	lifetime, err := t.lifetime()
	if err != nil {
		return err
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	if !keys[0].CanSign() {
		return errors.New("POSTRIDER_JWT_SECRET is a public key, which only verifies tokens; set it to the private key to issue one")
	}
	now := time.Now()
	token, err := t.mint(token.New(keys, func() time.Time { return now }), now, lifetime)
	if err != nil {
		return err
	}
	con.printf("%s\n", token)
	fmt.Fprintf(con.err, "Token for %s; expires at %s (--expiry %s)\n", subjectOf(core.Scope{OrgID: core.OrgID(t.Org), AppID: core.AppID(t.Application)}), now.Add(lifetime).UTC().Format(time.RFC3339), lifetime)
	return nil
}

const tokenExpiryMax = 100 * 365 * 24 * time.Hour

func (t tokenIssueCommand) lifetime() (time.Duration, error) {
	switch {
	case t.Expiry < 0 || t.Expiry > tokenExpiryMax || t.Expiry > 0 && t.Expiry < time.Second:
		return 0, fmt.Errorf("--expiry: %s is not between 1s and %s (100 years)", t.Expiry, tokenExpiryMax)
	case t.Expiry > 0:
		return t.Expiry, nil
	case t.Application != "":
		return core.AppTokenLifetime, nil
	}
	return core.OrgTokenLifetime, nil
}

func (t tokenIssueCommand) mint(tokens *token.Authority, now time.Time, lifetime time.Duration) (string, error) {
	if t.Application != "" {
		return tokens.App(core.AppGrant{
			OrgID: core.OrgID(t.Org), AppID: core.AppID(t.Application), IssuedAt: now, Lifetime: lifetime,
		})
	}
	return tokens.Org(core.OrgID(t.Org), lifetime)
}

type tokenRevokeCommand struct {
	Token string `arg:"" optional:"" help:"Token of an organisation or application; - reads it from standard input."`
	All   string `placeholder:"ORG" help:"Revoke all tokens of this organisation issued until now. Tokens of its applications are revoked through the API (expire-all)."`
}

func (t tokenRevokeCommand) Run(ctx context.Context, c *Config, con console) error {
	switch {
	case (t.Token == "") == (t.All == ""):
		return errors.New("pass either a token or --all with an organisation id")
	case t.All != "" && !core.IsOrgID(t.All):
		return fmt.Errorf("--all: %q is not an organisation id; ids begin with org_", t.All)
	case t.All != "":
		return t.revoke(ctx, c, con, "all tokens of "+t.All+" issued before now", func(r *core.Revocations) error {
			return r.TokenRevokeMany(ctx, core.OrgID(t.All))
		})
	}
	token, err := t.parse(c)
	if err != nil {
		return err
	}
	return t.revoke(ctx, c, con, "one token of "+subjectOf(token.Scope), func(r *core.Revocations) error {
		return r.TokenRevoke(ctx, token)
	})
}

func (t tokenRevokeCommand) revoke(ctx context.Context, c *Config, con console, what string, revoke func(*core.Revocations) error) error {
	return withStore(ctx, *c, "token", con, func(s *store.Store) error {
		if err := revoke(core.NewRevocations(s, s.Now)); err != nil {
			return err
		}
		select { // after this no process accepts the token
		case <-time.After(store.TokenTrust):
		case <-ctx.Done():
		}
		con.printf("Revoked %s.\n", what)
		return nil
	})
}

const tokenBytesMax = 64 << 10 // as large as a request's header may be

// parse refuses tokens that no process would accept: revoking one would change nothing, and a user who mistyped a token
// would believe it revoked. Its errors don't show the token.
func (t tokenRevokeCommand) parse(c *Config) (core.Token, error) {
	text := t.Token
	if text == "-" {
		input, err := io.ReadAll(io.LimitReader(os.Stdin, tokenBytesMax))
		if err != nil {
			return core.Token{}, fmt.Errorf("read the token: %w", err)
		}
		text = string(input)
	}
	keys, err := c.keys()
	if err != nil {
		return core.Token{}, err
	}
	token, err := token.New(keys, time.Now).Parse(strings.TrimSpace(text))
	if e, ok := errors.AsType[*core.Error](err); ok {
		return token, fmt.Errorf("token not revoked: processes with these keys reject it already: %s", e.Message)
	}
	return token, err
}

func subjectOf(scope core.Scope) string {
	if scope.AppID != "" {
		return string(scope.AppID) + " in " + string(scope.OrgID)
	}
	return string(scope.OrgID)
}
