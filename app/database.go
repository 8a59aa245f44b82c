package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/postrider/postrider/localpg"
	"github.com/postrider/postrider/server/token"
	"github.com/postrider/postrider/store"
)

var errNoDatabase = errors.New("DATABASE_URL is required: api, worker, consume and jobs share your Postgres; only serve can start a local one")

const localStopFailed = "local Postgres stop failed; a server may be left running"

// openDatabase starts a local Postgres if DATABASE_URL is not set.
func (i *Instance) openDatabase(ctx context.Context) error {
	if i.config.DatabaseURL != "" {
		return nil
	}
	dir, err := i.config.dataDir()
	if err != nil {
		return err
	}
	pg, err := localpg.Start(ctx, localpg.Config{Dir: dir})
	if err != nil {
		return fmt.Errorf("POSTRIDER_DATA_DIR: %w", err)
	}
	i.onStop(func() {
		if err := pg.Stop(); err != nil {
			i.log.Error(localStopFailed, "error", err)
		}
	})
	go func() {
		<-pg.Done()
		i.fail(fmt.Errorf("the local Postgres ended unexpectedly; see %s", filepath.Join(dir, "postgres.log")))
	}()
	i.config.DatabaseURL, i.config.DataDir, i.local = pg.URL(), dir, true
	return nil
}

// database returns the database of DATABASE_URL as a component uses it. pg_stat_activity shows the component.
func (c *Config) database(component string) store.Database {
	return store.Database{
		URL: c.DatabaseURL, Schema: c.Schema, Pooler: c.Pooler, DirectURL: c.DirectURL, Application: "postrider-" + component,
	}
}

func (c *Config) dataDir() (string, error) {
	if c.DataDir != "" {
		dir, err := filepath.Abs(c.DataDir)
		if err != nil {
			return "", fmt.Errorf("POSTRIDER_DATA_DIR: %w", err)
		}
		return dir, nil
	}
	dir, err := localpg.DefaultDir()
	if err != nil {
		return "", fmt.Errorf("POSTRIDER_DATA_DIR: %w", err)
	}
	return dir, nil
}

// publishedSecret is the secret in docker-compose.yml, which anyone can read.
const publishedSecret = "development-only-secret-that-everyone-knows"

// keys returns the keys that verify tokens; the first one also signs them.
func (c *Config) keys() (token.Keys, error) {
	secret, err := c.secret()
	if err != nil {
		return nil, err
	}
	signing, err := token.ParseKey(c.JWTAlgorithm, secret)
	if err != nil {
		return nil, fmt.Errorf("POSTRIDER_JWT_SECRET: %w", err)
	}
	verifying, err := token.ParseKeys(c.JWTAlgorithm, c.JWTVerifySecrets)
	if err != nil {
		return nil, fmt.Errorf("POSTRIDER_JWT_VERIFY_SECRETS: %w", err)
	}
	return append(token.Keys{signing}, verifying...), nil
}

// secret returns the configured signing secret or, for the local Postgres, one that is generated at the first start
// and stored beside it.
func (c *Config) secret() (string, error) {
	if c.JWTSecret != "" {
		return c.JWTSecret, nil
	}
	if c.DatabaseURL != "" {
		return "", errors.New("POSTRIDER_JWT_SECRET is required with DATABASE_URL; make one with: openssl rand -hex 32")
	}
	if !strings.HasPrefix(c.JWTAlgorithm, "HS") {
		return "", errors.New("POSTRIDER_JWT_SECRET is required with " + c.JWTAlgorithm + "; set it to a private key in PEM")
	}
	dir, err := c.dataDir()
	if err != nil {
		return "", err
	}
	secret, err := keptSecret(dir)
	if err != nil {
		return "", fmt.Errorf("POSTRIDER_DATA_DIR: %w", err)
	}
	return secret, nil
}

const secretFile = "jwt-secret"

func keptSecret(dir string) (string, error) {
	path := filepath.Join(dir, secretFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(dir, path); err != nil {
			return "", fmt.Errorf("keep a secret: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return "", fmt.Errorf("kept secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("kept secret: %s is empty; remove it to have another one generated", path)
	}
	return secret, nil
}

// makeSecret writes the file atomically. If two processes do so at once, both use the file of the first.
func makeSecret(dir, path string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, secretFile+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := fmt.Fprintln(f, rand.Text()+rand.Text()); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
