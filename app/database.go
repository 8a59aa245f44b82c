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
	"github.com/postrider/postrider/server"
)

var errNoDatabase = errors.New("DATABASE_URL is required: api, worker, consume and jobs share a database of your own; serve starts a local one")

// openDatabase starts a local Postgres where no database was given.
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
			i.log.Error("local Postgres stop failed; a server may be left running", "error", err)
		}
	})
	go func() {
		<-pg.Done()
		i.fail(fmt.Errorf("the local Postgres ended; its log is in %s", dir))
	}()
	i.config.DatabaseURL, i.config.DataDir, i.local = pg.URL(), dir, true
	return nil
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

// publishedSecret is in docker-compose.yml, for everybody to read.
const publishedSecret = "development-only-secret-that-everyone-knows"

// keys are what tokens are verified with, the first of which signs them.
func (c *Config) keys() (server.Keys, error) {
	secret, err := c.secret()
	if err != nil {
		return nil, err
	}
	signing, err := server.ParseKey(c.JWTAlgorithm, secret)
	if err != nil {
		return nil, fmt.Errorf("POSTRIDER_JWT_SECRET: %w", err)
	}
	verifying, err := server.ParseKeys(c.JWTAlgorithm, c.JWTVerifySecrets)
	if err != nil {
		return nil, fmt.Errorf("POSTRIDER_JWT_VERIFY_SECRETS: %w", err)
	}
	return append(server.Keys{signing}, verifying...), nil
}

// secret is what tokens are signed with: the one that was set, or for the local Postgres one that is
// generated the first time and kept beside it.
func (c *Config) secret() (string, error) {
	if c.JWTSecret != "" {
		return c.JWTSecret, nil
	}
	if c.DatabaseURL != "" {
		return "", errors.New("POSTRIDER_JWT_SECRET is required with a database of your own")
	}
	if !strings.HasPrefix(c.JWTAlgorithm, "HS") {
		return "", errors.New("POSTRIDER_JWT_SECRET is required with " + c.JWTAlgorithm)
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
		return "", fmt.Errorf("kept secret: %s is empty; remove it to have another made", path)
	}
	return secret, nil
}

// makeSecret writes the file whole or not at all; of two processes that do it at once, one wins.
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
