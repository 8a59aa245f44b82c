package core

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// Sign is the signature of one attempt by Standard Webhooks: of the message's id, the attempt's time in
// Unix seconds and the payload's exact bytes, with points between them.
func (s Secret) Sign(id MessageID, at time.Time, payload string) string {
	head := string(id) + "." + strconv.FormatInt(at.Unix(), 10) + "."
	if s.signs == SignatureEd25519 {
		return "v1a," + base64.StdEncoding.EncodeToString(signEd25519(s.key, head, payload))
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(head))
	for rest := payload; rest != ""; {
		piece := rest[:min(len(rest), signedAtOnce)]
		mac.Write([]byte(piece))
		rest = rest[len(piece):]
	}
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signedAtOnce bounds the copy that is made of a payload: many attempts may sign the same megabytes.
const signedAtOnce = 32 << 10

// signEd25519 copies the payload: ed25519 reads what it signs twice, and so takes it in one piece.
func signEd25519(private ed25519.PrivateKey, head, payload string) []byte {
	content := make([]byte, 0, len(head)+len(payload))
	return ed25519.Sign(private, append(append(content, head...), payload...))
}
