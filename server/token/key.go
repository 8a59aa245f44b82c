package token

import (
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // used by HS256 and RS256
	_ "crypto/sha512" // used by the other algorithms
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Key signs and verifies tokens with one algorithm. Printing a Key does not reveal it.
type Key struct {
	method jwt.SigningMethod
	verify any
	sign   any // nil if the key can only verify tokens
	secret []byte
}

// Keys are keys of one algorithm. The first one signs tokens, and all of them verify tokens.
type Keys []Key

// keysMax limits the cost of a forged token, for which every key is tried.
const keysMax = 10

// ParseKeys parses comma-separated keys, each in the format of ParseKey. The list may be empty. Its errors contain no
// part of the keys.
func ParseKeys(algorithm, text string) (Keys, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > keysMax {
		return nil, fmt.Errorf("has %d keys, and %d are the most", len(parts), keysMax)
	}
	var keys Keys
	for i, part := range parts {
		key, err := ParseKey(algorithm, strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("key %d %w", i+1, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// algorithms lists the supported algorithms by the names that tokens use for them.
var algorithms = map[string]jwt.SigningMethod{
	"HS256": jwt.SigningMethodHS256, "HS384": jwt.SigningMethodHS384, "HS512": jwt.SigningMethodHS512,
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"EdDSA": jwt.SigningMethodEdDSA,
}

// ErrAlgorithm is the error for an unsupported algorithm.
var ErrAlgorithm = errors.New("must be HS256, HS384, HS512, RS256, RS384, RS512 or EdDSA")

// rsaBitsMin is the minimum that RFC 7518 allows.
const rsaBitsMin = 2048

// ParseKey parses the key of an algorithm. For HS256, HS384 and HS512 the text is the secret itself. For the others
// it is a private key in PEM, or a public key, which can only verify. Its errors contain no part of the key.
func ParseKey(algorithm, text string) (Key, error) {
	method, known := algorithms[algorithm]
	if !known {
		return Key{}, ErrAlgorithm
	}
	if _, isHMAC := method.(*jwt.SigningMethodHMAC); isHMAC {
		return secretKey(method, text)
	}
	return pemKey(method, strings.ReplaceAll(text, `\n`, "\n"))
}

// secretBytesMin is what RFC 7518 requires for HS256. Anyone with a token to try guesses on can guess a shorter
// secret. The RFC requires more for HS384 and HS512, but 32 bytes are just as hard to guess there.
const secretBytesMin = 32

// secretKey rejects a PEM: a public key is not a secret, and anyone who has it could sign tokens.
func secretKey(method jwt.SigningMethod, text string) (Key, error) {
	if text == "" {
		return Key{}, errors.New("is empty: everybody could sign with it")
	}
	if strings.Contains(text, "-----BEGIN ") {
		return Key{}, fmt.Errorf("holds a PEM, and %s takes a secret", method.Alg())
	}
	if len(text) < secretBytesMin {
		return Key{}, fmt.Errorf("has %d bytes, and %s takes at least %d: make one with openssl rand -hex 32",
			len(text), method.Alg(), secretBytesMin)
	}
	secret := []byte(text)
	return Key{method: method, verify: secret, sign: secret, secret: secret}, nil
}

// pemKey uses the private key if the PEM has both a private and a public key.
func pemKey(method jwt.SigningMethod, text string) (Key, error) {
	public := Key{}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		key, err := blockKey(method, block)
		if err != nil || key.sign != nil {
			return key, err
		}
		public = key
	}
	if public.verify == nil {
		return Key{}, fmt.Errorf("holds no PEM, and %s takes a private key, or a public one, as PEM", method.Alg())
	}
	return public, nil
}

func blockKey(method jwt.SigningMethod, block *pem.Block) (Key, error) {
	key := Key{method: method}
	parsed, err := parseBlock(block)
	if err != nil {
		return key, err
	}
	_, wantsRSA := method.(*jwt.SigningMethodRSA)
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		key.sign, key.verify = k, &k.PublicKey
	case *rsa.PublicKey:
		key.verify = k
	case ed25519.PrivateKey:
		key.sign, key.verify = k, k.Public()
	case ed25519.PublicKey:
		key.verify = k
	}
	rsaKey, isRSA := key.verify.(*rsa.PublicKey)
	switch {
	case key.verify == nil || isRSA != wantsRSA:
		return Key{}, fmt.Errorf("holds a key that is not of %s", method.Alg())
	case isRSA && rsaKey.N.BitLen() < rsaBitsMin:
		return Key{}, fmt.Errorf("holds an RSA key of %d bits, and %d are the least", rsaKey.N.BitLen(), rsaBitsMin)
	}
	return key, nil
}

// parseBlock parses a PEM block with any kind of key. It does not return the errors of x509, because the setting is a
// secret and no part of it may get into a log.
func parseBlock(block *pem.Block) (key any, err error) {
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("holds a key that is encrypted with a passphrase: give it without")
	default:
		return nil, errors.New("holds a PEM that is neither a private nor a public key")
	}
	if err != nil {
		return nil, errors.New("holds a PEM that cannot be read as a key")
	}
	return key, nil
}

// verifying returns all keys in the form that the parser takes.
func (k Keys) verifying() jwt.VerificationKeySet {
	var set jwt.VerificationKeySet
	for _, key := range k {
		set.Keys = append(set.Keys, key.verify)
	}
	return set
}

// CanSign reports whether the key can sign tokens, not just verify them.
func (k Key) CanSign() bool { return k.sign != nil }

// String hides the key from fmt and slog.
func (k Key) String() string { return "[key]" }

// GoString hides the key from %#v.
func (k Key) GoString() string { return k.String() }

// MarshalJSON hides the key from slog's JSON handler, although its fields are private anyway.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"[key]"`), nil }
