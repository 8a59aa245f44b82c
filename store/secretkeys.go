package store

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/postrider/postrider/core"
)

// SecretKeys encrypt the secrets of endpoints. The first key encrypts new secrets; each key decrypts the secrets
// that were encrypted under it. Without keys, secrets are stored in plain text.
type SecretKeys []secretKey

type secretKey struct {
	fingerprint string // fingerprintBytes long; it names the key and reveals nothing about it
	aead        cipher.AEAD
}

const fingerprintBytes = 4

// ParseSecretKeys parses comma-separated keys, each the base64 of 32 bytes. Its errors never contain a key.
func ParseSecretKeys(text string) (SecretKeys, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var keys SecretKeys
	for part := range strings.SplitSeq(text, ",") {
		n := len(keys) + 1
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil || len(key) != chacha20poly1305.KeySize {
			return nil, fmt.Errorf("key %d is not the base64 of %d bytes", n, chacha20poly1305.KeySize)
		}
		k, err := newSecretKey(key)
		if err != nil {
			return nil, err
		}
		if keys.find(k.fingerprint) != nil {
			return nil, fmt.Errorf("key %d is there twice", n)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func newSecretKey(key []byte) (secretKey, error) {
	aead, err := chacha20poly1305.NewX(key)
	sum := sha256.Sum256(append([]byte("postrider secret key "), key...))
	return secretKey{string(sum[:fingerprintBytes]), aead}, err
}

func (k SecretKeys) find(fingerprint string) *secretKey {
	i := slices.IndexFunc(k, func(key secretKey) bool { return key.fingerprint == fingerprint })
	if i < 0 {
		return nil
	}
	return &k[i]
}

// sealed returns the prefix of everything that is sealed under the key.
func (k secretKey) sealed() []byte {
	return append(marked(kindSealed, fingerprintBytes), k.fingerprint...)
}

// seal returns an endpoint's secret as it is stored. It can only be decrypted as the secret of that endpoint.
func (k SecretKeys) seal(s core.Secret, app core.AppID, endpoint core.EndpointID) []byte {
	plain := encodeSecret(s)
	if len(k) == 0 {
		return plain
	}
	return k.sealBytes(plain, app, endpoint)
}

func (k SecretKeys) sealBytes(plain []byte, app core.AppID, endpoint core.EndpointID) []byte {
	key := k[0]
	stored := marked(kindSealed, fingerprintBytes+key.aead.NonceSize()+len(plain)+key.aead.Overhead())
	stored = append(stored, key.fingerprint...)
	nonce := make([]byte, key.aead.NonceSize())
	rand.Read(nonce) // never returns an error; it crashes the process instead
	return key.aead.Seal(append(stored, nonce...), nonce, plain, owner(app, endpoint))
}

// owner returns the associated data that binds sealed text to its row. Neither id can contain a NUL.
func owner(app core.AppID, endpoint core.EndpointID) []byte {
	return []byte(string(app) + "\x00" + string(endpoint))
}

// open reads an endpoint's stored secret.
func (k SecretKeys) open(stored []byte, app core.AppID, endpoint core.EndpointID) (core.Secret, error) {
	plain, err := k.unseal(stored, app, endpoint)
	if err != nil {
		return core.Secret{}, fmt.Errorf("secret of the endpoint %s: %w", endpoint, err)
	}
	s, err := decodeSecret(plain)
	if err != nil {
		return core.Secret{}, fmt.Errorf("secret of the endpoint %s: %w", endpoint, err)
	}
	return s, nil
}

func (k SecretKeys) unseal(stored []byte, app core.AppID, endpoint core.EndpointID) ([]byte, error) {
	kind, body, err := unmarked(stored)
	if err != nil || kind != kindSealed {
		return stored, err
	}
	if len(body) < fingerprintBytes+chacha20poly1305.NonceSizeX {
		return nil, errors.New("it is cut off")
	}
	fingerprint, body := body[:fingerprintBytes], body[fingerprintBytes:]
	key := k.find(string(fingerprint))
	if key == nil {
		return nil, missingKeyError(hex.EncodeToString(fingerprint))
	}
	nonce, text := body[:chacha20poly1305.NonceSizeX], body[chacha20poly1305.NonceSizeX:]
	plain, err := key.aead.Open(nil, nonce, text, owner(app, endpoint))
	if err != nil {
		return nil, fmt.Errorf("it does not open under the key %x: it was changed, or is another endpoint's", fingerprint)
	}
	return plain, nil
}

func missingKeyError(fingerprint string) error {
	return fmt.Errorf("it is encrypted under the key %s, which is not among those that are configured", fingerprint)
}

func (k SecretKeys) sealMany(secrets []core.Secret, app core.AppID, endpoint core.EndpointID) [][]byte {
	stored := make([][]byte, len(secrets))
	for i, s := range secrets {
		stored[i] = k.seal(s, app, endpoint)
	}
	return stored
}

func (k SecretKeys) openMany(stored [][]byte, app core.AppID, endpoint core.EndpointID) ([]core.Secret, error) {
	secrets := make([]core.Secret, len(stored))
	for i, one := range stored {
		s, err := k.open(one, app, endpoint)
		if err != nil {
			return nil, err
		}
		secrets[i] = s
	}
	return secrets, nil
}

// isFirst reports whether a stored secret is sealed under the first key.
func (k SecretKeys) isFirst(stored []byte) bool {
	return len(stored) > plainBytesMax && bytes.HasPrefix(stored, k[0].sealed())
}

// reseal returns a stored old secret encrypted under the first key. If the secret cannot be decrypted, reseal returns
// it unchanged.
func (k SecretKeys) reseal(stored []byte, app core.AppID, endpoint core.EndpointID) []byte {
	if k.isFirst(stored) {
		return stored
	}
	s, err := k.open(stored, app, endpoint)
	if err != nil {
		return stored
	}
	return k.seal(s, app, endpoint)
}
