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

// newVerifier returns a verifier for a whsec_ or whpk_ key, as the API shows it. It verifies whsec_ with the Standard
// Webhooks library instead of our own code: a signature that the library accepts is valid for others too.
func newVerifier(secret string) (verifier, error) {
	encoded, public := strings.CutPrefix(secret, "whpk_")
	if !public {
		v, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("must be whsec_ or whpk_ followed by base64") // err may contain the secret
		}
		return v, nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("must be whpk_ followed by 32 bytes in base64")
	}
	return publicKey(key), nil
}

// publicKey verifies v1a signatures, which that library does not support. It does not check the timestamp.
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
