package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/server"
)

type tokenCommand struct {
	Org         string `arg:"" optional:"" default:"org_23rb8YdGqMT0qIzpgGwdXfHirMu" help:"The organisation: org_ and whatever names it to you."`
	Application string `placeholder:"ID" help:"Make a token for this application of it alone, by its id."`
}

// Run prints the token and nothing else, so that it can be taken into a variable.
func (t tokenCommand) Run(c *Config, con console) error {
	if !core.IsOrgID(t.Org) {
		return fmt.Errorf("%q is no organisation: they begin with org_, and that of operational webhooks is nobody's", t.Org)
	}
	if t.Application != "" && !core.IsAppID(t.Application) {
		return fmt.Errorf("--application: %q is no application's id: they begin with app_", t.Application)
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	if !keys[0].CanSign() {
		return errors.New("POSTRIDER_JWT_SECRET is a public key: tokens can be verified with it, and made only with the private one")
	}
	token, err := t.mint(server.NewTokens(keys, time.Now))
	if err != nil {
		return err
	}
	con.printf("%s\n", token)
	return nil
}

func (t tokenCommand) mint(tokens *server.Tokens) (string, error) {
	if t.Application != "" {
		return tokens.App(core.AppGrant{
			OrgID: core.OrgID(t.Org), AppID: core.AppID(t.Application),
			IssuedAt: time.Now(), Lifetime: core.AppTokenLifetime,
		})
	}
	return tokens.Org(core.OrgID(t.Org))
}
