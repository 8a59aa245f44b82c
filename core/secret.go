package core

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Secret is the key an endpoint's webhooks are signed with. It prints as "[secret]", so that a log
// or an error never holds it; Text is the one way to show it.
type Secret []byte

const (
	secretPrefix   = "whsec_"
	secretBytes    = 24 // of those we generate, as Standard Webhooks recommends
	secretBytesMin = 24
	secretBytesMax = 75
)

// NewSecret makes a random one.
func NewSecret() Secret {
	key := make([]byte, secretBytes)
	rand.Read(key) // never fails: it ends the process instead
	return key
}

// ParseSecret reads a secret as clients write it: base64 of 24 to 75 bytes, with or without whsec_.
// field is what the request calls it.
func ParseSecret(text, field string) (Secret, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, secretPrefix))
	if err != nil || len(key) < secretBytesMin || len(key) > secretBytesMax {
		return nil, Invalid("Secrets are whsec_ and the base64 of 24 to 75 bytes", "body", field)
	}
	return key, nil
}

// Text is the secret as clients write it.
func (s Secret) Text() string { return secretPrefix + base64.StdEncoding.EncodeToString(s) }

const redacted = "[secret]"

// String hides the key from fmt and slog's text.
func (s Secret) String() string { return redacted }

// GoString hides the key from %#v.
func (s Secret) GoString() string { return redacted }

// MarshalJSON hides the key from slog's JSON and whatever else encodes a struct that holds one.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Sign is the signature of one attempt by Standard Webhooks' v1: HMAC-SHA256 over the message's
// id, the attempt's time in Unix seconds and the payload's exact bytes.
func (s Secret) Sign(id MessageID, at time.Time, payload []byte) string {
	mac := hmac.New(sha256.New, s)
	mac.Write([]byte(string(id) + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(payload)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
