package core

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"sync"
	"time"
)

// Sign returns the Standard Webhooks signature of one attempt. It covers the message's id, the attempt's time in
// Unix seconds and the payload's exact bytes, separated by dots.
func (s Secret) Sign(id MessageID, at time.Time, payload string) string {
	head := string(id) + "." + strconv.FormatInt(at.Unix(), 10) + "."
	if s.signs == SignatureEd25519 {
		return "v1a," + base64.StdEncoding.EncodeToString(signEd25519(s.key, head, payload))
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(head))
	buffer := signBuffers.Get().(*[signBytes]byte)
	defer signBuffers.Put(buffer)
	for rest := payload; rest != ""; {
		n := copy(buffer[:], rest)
		mac.Write(buffer[:n])
		rest = rest[n:]
	}
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Payloads are copied in pieces to be signed, because many attempts may sign the same megabytes at once.
const signBytes = 16 << 10

var signBuffers = sync.Pool{New: func() any { return new([signBytes]byte) }}

// signEd25519 copies the payload whole, because ed25519 reads its input twice and takes it in one piece.
func signEd25519(private ed25519.PrivateKey, head, payload string) []byte {
	content := make([]byte, 0, len(head)+len(payload))
	return ed25519.Sign(private, append(append(content, head...), payload...))
}
