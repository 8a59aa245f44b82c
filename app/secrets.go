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
	Encrypt secretsEncryptCommand `cmd:"" help:"Encrypt all endpoints' secrets, headers and users and passwords in URLs under the first of POSTRIDER_SECRET_KEYS: those that are not encrypted, and those under another key. Safe while others run; if interrupted, run it again."`
	Status  secretsStatusCommand  `cmd:"" help:"Count the secrets in the database by the key they are encrypted under, and the endpoints whose headers or URLs are not encrypted."`
}

type (
	secretsEncryptCommand struct{}
	secretsStatusCommand  struct{}
)

var errNoSecretKeys = errors.New("POSTRIDER_SECRET_KEYS is required: it says what to encrypt with")

// Run encrypts until nothing is left that it can change, and fails if something else is left.
func (secretsEncryptCommand) Run(ctx context.Context, c *Config, con console) error {
	if keys, err := store.ParseSecretKeys(c.SecretKeys); err != nil || len(keys) == 0 {
		return errNoSecretKeys // a bad one is refused before
	}
	return withStore(ctx, *c, con, func(s *store.Store) error {
		changed, err := resealAll(ctx, s)
		con.printf("encrypted the secrets of %d endpoints\n", changed)
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

// resealAll does it again as long as that helps: an endpoint that somebody holds is skipped, and is free
// a moment later.
func resealAll(ctx context.Context, s *store.Store) (changed int, err error) {
	for {
		n, err := s.SecretReseal(ctx)
		changed += n
		if n == 0 || err != nil {
			return changed, err
		}
	}
}

// remaining is an error while there is something that is not under the first key.
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
	return fmt.Errorf("%d values remain that are not encrypted under the first key: their keys are not configured, or they were in use; run it again", n)
}

func (secretsStatusCommand) Run(ctx context.Context, c *Config, con console) error {
	return withStore(ctx, *c, con, func(s *store.Store) error {
		counts, err := s.SecretCount(ctx)
		printCounts(con, counts)
		return err
	})
}

// printCounts prints a line for each key, none of which it shows.
func printCounts(con console, counts []store.SecretCount) {
	for _, c := range counts {
		note := "an older key"
		switch {
		case c.Fingerprint == "":
			c.Fingerprint, note = "none", "not encrypted"
		case c.First:
			note = "the first key"
		case !c.Known:
			note = "a key that is not configured"
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
		text += fmt.Sprintf(", users in %d URLs", c.Userinfos)
	}
	return text
}

// withStore works on the database that was given, or on the local one while it runs for this.
func withStore(ctx context.Context, c Config, con console, work func(*store.Store) error) error {
	return withDatabase(ctx, c, con, func(url string) error {
		c.DatabaseURL = url
		s, err := c.openStore(ctx, con.log)
		if err != nil {
			return err
		}
		defer s.Close()
		return work(s)
	})
}

func (c *Config) openStore(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	keys, err := store.ParseSecretKeys(c.SecretKeys)
	if err != nil {
		return nil, fmt.Errorf("POSTRIDER_SECRET_KEYS: %w", err)
	}
	s, err := store.Open(ctx, store.Config{URL: c.DatabaseURL, Clock: time.Now, SecretKeys: keys, Log: log})
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return s, nil
}

// secretCheckTimeout bounds reading the whole table of endpoints, which takes some five seconds for a million.
const secretCheckTimeout = 10 * time.Second

// checkSecretKeys refuses to start where endpoints could not be sent to for want of a key. Where it
// takes too long to know, their deliveries wait and the log says why.
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
			missing = append(missing, fmt.Errorf("POSTRIDER_SECRET_KEYS: %d secrets are encrypted under the key %s, which is not configured", c.InUse, c.Fingerprint))
		}
	}
	return errors.Join(missing...)
}
