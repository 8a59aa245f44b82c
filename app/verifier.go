package app

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// verifier checks the signature of a webhook.
type verifier interface {
	Verify(payload []byte, header http.Header) error
}

// newVerifier verifies with what the API shows: whsec_ or whpk_. The first it leaves to the Standard
// Webhooks library and not to our own code: what that accepts, others accept.
func newVerifier(secret string) (verifier, error) {
	encoded, public := strings.CutPrefix(secret, "whpk_")
	if !public {
		v, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("must be whsec_ or whpk_ followed by base64") // err may show it
		}
		return v, nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("must be whpk_ followed by 32 bytes in base64")
	}
	return publicKey(key), nil
}

// publicKey verifies v1a, which that library does not know. It does not look at the clock.
type publicKey ed25519.PublicKey

var errNoMatch = errors.New("no v1a signature matches this key")

func (k publicKey) Verify(payload []byte, header http.Header) error {
	content := append([]byte(header.Get("webhook-id")+"."+header.Get("webhook-timestamp")+"."), payload...)
	for signature := range strings.FieldsSeq(header.Get("webhook-signature")) {
		encoded, ok := strings.CutPrefix(signature, "v1a,")
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if ok && err == nil && ed25519.Verify(ed25519.PublicKey(k), content, decoded) {
			return nil
		}
	}
	return errNoMatch
}
