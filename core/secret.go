package core

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// SignatureType is how a secret signs.
type SignatureType string

// The signatures of Standard Webhooks. The empty type is the first of them.
const (
	SignatureHMAC256 SignatureType = "hmac256" // v1: sender and receiver share the key
	SignatureEd25519 SignatureType = "ed25519" // v1a: the receiver has the public key alone
)

// Secret is the key an endpoint's webhooks are signed with. It prints as "[secret]", so that a log
// or an error never holds it.
type Secret struct {
	signs SignatureType
	key   []byte // of HMAC; of ed25519 the seed and, behind it, the public key
}

const (
	hmacPrefix     = "whsec_"
	privatePrefix  = "whsk_"
	publicPrefix   = "whpk_"
	secretBytes    = 24 // of the HMAC keys we generate, as Standard Webhooks recommends
	secretBytesMin = 24
	secretBytesMax = 75
)

// NewSecret makes a random one for HMAC.
func NewSecret() Secret { return SignatureHMAC256.NewSecret() }

// NewSecret makes a random one that signs so.
func (t SignatureType) NewSecret() Secret {
	if t == SignatureEd25519 {
		seed := make([]byte, ed25519.SeedSize)
		rand.Read(seed) // never fails: it ends the process instead
		return Secret{SignatureEd25519, ed25519.NewKeyFromSeed(seed)}
	}
	key := make([]byte, secretBytes)
	rand.Read(key)
	return HMACSecret(key)
}

// HMACSecret is the secret with that key.
func HMACSecret(key []byte) Secret { return Secret{SignatureHMAC256, key} }

// Ed25519Secret is the secret with that private key: 32 bytes of seed and, behind them, the 32 of the
// public key. False: it has another length. Whether the halves belong together is not looked at.
func Ed25519Secret(private []byte) (Secret, bool) {
	return Secret{SignatureEd25519, private}, len(private) == ed25519.PrivateKeySize
}

// Key is how the secret signs and the key of HMACSecret or Ed25519Secret, for whoever stores it.
func (s Secret) Key() (SignatureType, []byte) { return s.signs, s.key }

// IsZero tells whether it is no secret at all.
func (s Secret) IsZero() bool { return s.key == nil }

// ParseSecret reads a secret as clients write it: whsec_ and the base64 of 24 to 75 bytes, the same
// without the prefix, or whsk_ and the base64 of an ed25519 private key. field is what the request
// calls it.
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

// parsePrivate refuses halves that do not belong together: nobody could verify what they sign, and two
// signatures of one seed under different public keys give the private key away.
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

// Text is what receivers verify with, as they write it: the key of HMAC, or the public key of ed25519.
// The private one is never shown.
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

// MarshalJSON hides the key from slog's JSON and whatever else encodes a struct that holds one.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
