package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/postrider/postrider/store"
)

type secretsCommand struct {
	Encrypt secretsEncryptCommand `cmd:"" help:"Encrypt all endpoint secrets, headers and URL credentials with the first of POSTRIDER_SECRET_KEYS, including those encrypted with another key. Safe while other processes run; run it again if it was interrupted."`
	Status  secretsStatusCommand  `cmd:"" help:"Count secrets, endpoints with headers, and URLs with credentials, by the key that encrypts them."`
}

type (
	secretsEncryptCommand struct{}
	secretsStatusCommand  struct{}
)

var errNoSecretKeys = errors.New("POSTRIDER_SECRET_KEYS is required: its first key encrypts the secrets")

// Run encrypts all values it can and returns an error if some remain.
func (secretsEncryptCommand) Run(ctx context.Context, c *Config, con console) error {
	if keys, err := store.ParseSecretKeys(c.SecretKeys); err != nil || len(keys) == 0 {
		return errNoSecretKeys // Validate has rejected malformed keys
	}
	return withStore(ctx, *c, "secrets", con, func(s *store.Store) error {
		changed, err := resealAll(ctx, s)
		con.printf("Encrypted the secrets of %d endpoints.\n", changed)
		if err != nil {
			return err
		}
		counts, err := s.SecretCount(ctx)
		if err != nil {
			return err
		}
		printCounts(con, counts)
		return remaining(counts)
	})
}

// resealAll repeats until a pass changes nothing: a pass skips endpoints whose rows are locked, and a moment later
// the locks are gone.
func resealAll(ctx context.Context, s *store.Store) (changed int, err error) {
	for {
		n, err := s.SecretReseal(ctx)
		changed += n
		if n == 0 || err != nil {
			return changed, err
		}
	}
}

// remaining returns an error if values remain that the first key does not encrypt.
func remaining(counts []store.SecretCount) error {
	var n int64
	for _, c := range counts {
		if !c.First {
			n += c.Secrets + c.Headers + c.Userinfos
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d values are not encrypted with the first key: add the keys they are encrypted with to POSTRIDER_SECRET_KEYS; if none are missing, the rows were locked, so run the command again", n)
}

func (secretsStatusCommand) Run(ctx context.Context, c *Config, con console) error {
	return withStore(ctx, *c, "secrets", con, func(s *store.Store) error {
		counts, err := s.SecretCount(ctx)
		printCounts(con, counts)
		return err
	})
}

// printCounts prints a line per key, with the key's fingerprint instead of the key.
func printCounts(con console, counts []store.SecretCount) {
	for _, c := range counts {
		note := "another configured key"
		switch {
		case c.Fingerprint == "":
			c.Fingerprint, note = "none", "not encrypted"
		case c.First:
			note = "the first key"
		case !c.Known:
			note = "a key that is missing"
		}
		con.printf("%-8s  %s  (%s)\n", c.Fingerprint, counted(c), note)
	}
}

func counted(c store.SecretCount) string {
	text := fmt.Sprintf("%d secrets", c.Secrets)
	if c.Headers > 0 {
		text += fmt.Sprintf(", headers of %d endpoints", c.Headers)
	}
	if c.Userinfos > 0 {
		text += fmt.Sprintf(", credentials in %d URLs", c.Userinfos)
	}
	return text
}

// withStore opens the store on the database that withDatabase provides.
func withStore(ctx context.Context, c Config, component string, con console, work func(*store.Store) error) error {
	return withDatabase(ctx, c, component, con, func(d store.Database) error {
		c.DatabaseURL = d.URL
		s, err := c.openStore(ctx, component, store.Config{Log: con.log})
		if err != nil {
			return err
		}
		defer s.Close()
		return work(s)
	})
}

// openStore connects to a schema that is not older than this release. with has the log and telemetry.
func (c *Config) openStore(ctx context.Context, component string, with store.Config) (*store.Store, error) {
	keys, err := store.ParseSecretKeys(c.SecretKeys)
	if err != nil {
		return nil, fmt.Errorf("POSTRIDER_SECRET_KEYS: %w", err)
	}
	with.Database, with.Clock, with.SecretKeys = c.database(component), time.Now, keys
	s, err := store.Open(ctx, with)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	if err := s.CheckSchema(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("POSTRIDER_SCHEMA: %w", err)
	}
	return s, nil
}

// secretCheckTimeout bounds a read of the whole endpoint table, which takes about five seconds for a million rows.
const secretCheckTimeout = 10 * time.Second

// checkSecretKeys returns an error if deliveries need a key that is not configured. If the check takes too long, the
// process starts; deliveries that need a missing key then wait, and the log says why.
func checkSecretKeys(ctx context.Context, s *store.Store, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, secretCheckTimeout)
	defer cancel()
	counts, err := s.SecretCount(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("secret key check timed out; deliveries that need a missing key will wait", "timeout_ms", secretCheckTimeout.Milliseconds())
		return nil
	}
	if err != nil {
		return fmt.Errorf("count the secrets: %w", err)
	}
	var missing []error
	for _, c := range counts {
		if !c.Known && c.InUse > 0 {
			missing = append(missing, fmt.Errorf("POSTRIDER_SECRET_KEYS: %d secrets are encrypted with the key %s, which is missing; add it", c.InUse, c.Fingerprint))
		}
	}
	return errors.Join(missing...)
}
