package store

import (
	"bytes"
	"fmt"

	"github.com/postrider/postrider/core"
)

// A stored secret tells by itself what it is:
//
//	up to 75 bytes                     an HMAC key, as it is
//	mark 'h' key                       an HMAC key that is longer
//	mark 'e' seed, public key          an ed25519 key
//	mark 's' fingerprint, nonce, text  any of these, sealed
//
// What is sealed may also be
//
//	mark 'c' JSON                      sealedCredentials
//
// The mark is so long that whatever bears it has more than 75 bytes (33 of mark, 1 of kind, 4 of
// fingerprint, 24 of nonce and 16 that authenticate are 78), and no HMAC key that a client can choose
// has more. So no key is ever taken for something else, whatever it begins with and whichever release
// wrote it.
const (
	secretMark    = "postrider secret, encoded as v1: "
	plainBytesMax = 75
)

const (
	kindHMAC    = 'h'
	kindEd25519 = 'e'
	kindSealed  = 's'

	kindCredentials = 'c' // only within what is sealed
)

// marked begins a secret that is not an HMAC key as it is.
func marked(kind byte, size int) []byte {
	return append(append(make([]byte, 0, len(secretMark)+1+size), secretMark...), kind)
}

// unmarked is the kind of a stored secret and what it holds.
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

// encodeSecret is how a secret is stored without keys, and what is sealed with them.
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
