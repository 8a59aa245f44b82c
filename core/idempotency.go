package core

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"
)

// IdempotencyKey tells a request from all others of its organisation.
type IdempotencyKey struct {
	OrgID OrgID
	Hash  [sha256.Size]byte
}

// NewIdempotencyKey makes one of the key that a client chose and what it asks for. The body is no
// part of it. Of the token only what it lets its bearer do is: two tokens of an organisation are one
// client, whose second request may come with a newer one, but what one application's token may not
// do, it must not be answered for another.
func NewIdempotencyKey(scope Scope, method, path, query, key string) IdempotencyKey {
	text, err := json.Marshal([]any{scope, method, path, query, []byte(key)})
	if err != nil {
		panic(err) // there are strings alone
	}
	return IdempotencyKey{OrgID: scope.OrgID, Hash: sha256.Sum256(text)}
}

// StoredAnswer is the answer to a request, as its adapter wrote it.
type StoredAnswer struct {
	Status int // of HTTP
	Body   []byte

	// Secret is the part of the answer that must not be stored. A StoredAnswer that Once
	// returns has it only if this very call did the work.
	Secret []byte
}

// Succeeded tells whether the answer is one to keep.
func (a StoredAnswer) Succeeded() bool { return a.Status/100 == 2 }

// Idempotency is the memory for what was answered.
type Idempotency interface {
	// Once runs work in a unit of work, keeps its answer in it and commits both; for a key that has an
	// answer younger than IdempotencyLifetime it returns that one. While work runs, all others with
	// the same key wait. What work does with the Store it is given takes effect only together, and not
	// at all if it returns an error, or an answer that is no success: then nothing is kept, either.
	// Work may run more than once, as that of InTx.
	Once(ctx context.Context, key IdempotencyKey, now time.Time,
		work func(context.Context, Store) (StoredAnswer, error)) (StoredAnswer, error)
}

// IdempotencyPruner forgets.
type IdempotencyPruner interface {
	// IdempotencyPrune deletes the keys that are no younger than before, and returns how many.
	IdempotencyPrune(ctx context.Context, before time.Time) (int64, error)
}

// keyHash makes keys of any length into 32 bytes; the key alone decides, whatever the body.
func keyHash(key string) []byte {
	if key == "" {
		return nil
	}
	hash := sha256.Sum256([]byte(key))
	return hash[:]
}

// IdempotencyLifetime is how long the answer to an idempotency key is repeated.
const IdempotencyLifetime = 12 * time.Hour

// batchKeyHash is the idempotency key of one message of a batch: sent again, each finds the one that
// was stored first in its place.
func batchKeyHash(key string, place int) []byte {
	if key == "" {
		return nil
	}
	hash := sha256.New()
	hash.Write(keyHash(key))
	hash.Write(binary.BigEndian.AppendUint32(nil, uint32(place)))
	return hash.Sum(nil)
}

// positionHash is the idempotency key of a message that was found. No client can choose the same one: in
// a header there is no NUL.
func positionHash(source, position string) []byte {
	if position == "" {
		return nil
	}
	hash := sha256.Sum256([]byte("source\x00" + strconv.Quote(source) + "\x00" + position))
	return hash[:]
}
