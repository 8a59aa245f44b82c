package app

import (
	"fmt"

	"github.com/postrider/postrider/store"
)

type rolesCommand struct {
	Producer []string `placeholder:"ROLE=ORG" help:"Also make this role a producer: it may send messages of that organisation through the outbox, and nothing else. Can be repeated."`
}

// Run prints the script. It connects to nothing: a DBA reads the script before it is run.
func (r rolesCommand) Run(c *Config, con console) error {
	roles := store.Roles{Schema: c.Schema}
	for _, text := range r.Producer {
		producer, err := store.ParseProducer(text)
		if err != nil {
			return fmt.Errorf("--producer: %q %w", text, err)
		}
		roles.Producers = append(roles.Producers, producer)
	}
	return store.WriteRoles(con.out, roles)
}
