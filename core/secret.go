package core

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// SignatureType is the signature scheme of a secret.
type SignatureType string

// The signature schemes of Standard Webhooks. The empty type is the first of them.
const (
	SignatureHMAC256 SignatureType = "hmac256" // v1: sender and receiver share the key
	SignatureEd25519 SignatureType = "ed25519" // v1a: the receiver has only the public key
)

// Secret is the key that signs an endpoint's webhooks. It prints as "[secret]", so that logs and errors never
// contain it.
type Secret struct {
	signs SignatureType
	key   []byte // of HMAC; for ed25519 the seed followed by the public key
}

const (
	hmacPrefix     = "whsec_"
	privatePrefix  = "whsk_"
	publicPrefix   = "whpk_"
	secretBytes    = 24 // of the HMAC keys we generate, as Standard Webhooks recommends
	secretBytesMin = 24
	secretBytesMax = 75
)

// NewSecret returns a random HMAC secret.
func NewSecret() Secret { return SignatureHMAC256.NewSecret() }

// NewSecret returns a random secret of that type.
func (t SignatureType) NewSecret() Secret {
	if t == SignatureEd25519 {
		seed := make([]byte, ed25519.SeedSize)
		rand.Read(seed) // never fails: it crashes the process instead
		return Secret{SignatureEd25519, ed25519.NewKeyFromSeed(seed)}
	}
	key := make([]byte, secretBytes)
	rand.Read(key)
	return HMACSecret(key)
}

// HMACSecret returns the secret with that key.
func HMACSecret(key []byte) Secret { return Secret{SignatureHMAC256, key} }

// Ed25519Secret returns the secret with that private key: 32 bytes of seed followed by the 32 bytes of the public
// key. It returns false for any other length. It does not check that the halves belong together.
func Ed25519Secret(private []byte) (Secret, bool) {
	return Secret{SignatureEd25519, private}, len(private) == ed25519.PrivateKeySize
}

// Key returns the secret's type and its key, as HMACSecret or Ed25519Secret takes it, so that it can be stored.
func (s Secret) Key() (SignatureType, []byte) { return s.signs, s.key }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.key == nil }

// ParseSecret reads a secret as clients write it: whsec_ and the base64 of 24 to 75 bytes, the same without the
// prefix, or whsk_ and the base64 of an ed25519 private key. field is its name in the request, for errors.
func ParseSecret(text, field string) (Secret, error) {
	encoded, asymmetric := strings.CutPrefix(text, privatePrefix)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(encoded, hmacPrefix))
	if asymmetric {
		return parsePrivate(key, err, field)
	}
	if err != nil || len(key) < secretBytesMin || len(key) > secretBytesMax {
		return Secret{}, Invalid("A secret is whsec_ and the base64 of 24 to 75 bytes, or whsk_ and the base64 "+
			"of an ed25519 private key", "body", field)
	}
	return HMACSecret(key), nil
}

// parsePrivate rejects halves that do not belong together: nobody could verify the signatures, and two signatures of
// one seed under different public keys reveal the private key.
func parsePrivate(private []byte, err error, field string) (Secret, error) {
	s, ok := Ed25519Secret(private)
	if err != nil || !ok {
		return Secret{}, Invalid("whsk_ must be followed by the base64 of 64 bytes: the seed of an ed25519 key, then "+
			"its public key", "body", field)
	}
	if !bytes.Equal(ed25519.NewKeyFromSeed(private[:ed25519.SeedSize]), private) {
		return Secret{}, Invalid("The last 32 bytes after whsk_ must be the public key of the seed, which is "+
			"the first 32", "body", field)
	}
	return s, nil
}

// Text returns what receivers verify with, in their format: the HMAC key or the ed25519 public key. The private key
// is never shown.
func (s Secret) Text() string {
	if s.signs == SignatureEd25519 {
		return publicPrefix + base64.StdEncoding.EncodeToString(s.key[ed25519.SeedSize:])
	}
	return hmacPrefix + base64.StdEncoding.EncodeToString(s.key)
}

const redacted = "[secret]"

// String hides the key from fmt and slog's text.
func (s Secret) String() string { return redacted }

// GoString hides the key from %#v.
func (s Secret) GoString() string { return redacted }

// MarshalJSON hides the key from slog's JSON and from other encoders of structs that hold one.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
