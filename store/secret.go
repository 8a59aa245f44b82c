package store

import (
	"bytes"
	"fmt"

	"github.com/postrider/postrider/core"
)

// A stored secret identifies its own format:
//
//	up to 75 bytes                     an HMAC key, unchanged
//	mark 'h' key                       a longer HMAC key
//	mark 'e' seed, public key          an ed25519 key
//	mark 's' fingerprint, nonce, text  any of these, sealed
//
// Sealed text may also be
//
//	mark 'c' JSON                      sealedCredentials
//
// The mark is long enough that anything that begins with it has more than 75 bytes (33 of mark, 1 of kind, 4 of
// fingerprint, 24 of nonce and 16 of authentication tag are 78), and no HMAC key that a client can choose
// has more. So no key is ever mistaken for another format, whatever it begins with and whichever release
// wrote it.
const (
	secretMark    = "postrider secret, encoded as v1: "
	plainBytesMax = 75
)

const (
	kindHMAC    = 'h'
	kindEd25519 = 'e'
	kindSealed  = 's'

	kindCredentials = 'c' // only within sealed text
)

// marked returns the beginning of a secret that is not an unchanged HMAC key.
func marked(kind byte, size int) []byte {
	return append(append(make([]byte, 0, len(secretMark)+1+size), secretMark...), kind)
}

// unmarked returns the kind of a stored secret and its content.
func unmarked(stored []byte) (kind byte, body []byte, err error) {
	if len(stored) <= plainBytesMax {
		return kindHMAC, stored, nil
	}
	body, ok := bytes.CutPrefix(stored, []byte(secretMark))
	if !ok {
		return 0, nil, fmt.Errorf("%d bytes that are no secret", len(stored))
	}
	return body[0], body[1:], nil
}

// encodeSecret returns a secret as it is stored without keys. With keys, this is what is sealed.
func encodeSecret(s core.Secret) []byte {
	signs, key := s.Key()
	switch {
	case signs == core.SignatureEd25519:
		return append(marked(kindEd25519, len(key)), key...)
	case len(key) > plainBytesMax:
		return append(marked(kindHMAC, len(key)), key...)
	}
	return key
}

func decodeSecret(stored []byte) (core.Secret, error) {
	kind, body, err := unmarked(stored)
	if err != nil {
		return core.Secret{}, err
	}
	switch kind {
	case kindHMAC:
		return core.HMACSecret(body), nil
	case kindEd25519:
		if s, ok := core.Ed25519Secret(body); ok {
			return s, nil
		}
	}
	return core.Secret{}, fmt.Errorf("%d bytes that are no secret of kind %q", len(body), kind)
}
