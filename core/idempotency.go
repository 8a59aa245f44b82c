package core

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"
)

// IdempotencyKey distinguishes a request from all others of its organisation.
type IdempotencyKey struct {
	OrgID OrgID
	Hash  [sha256.Size]byte
}

// NewIdempotencyKey derives a key from the client's key and its request. The body is not part of it. Of the token
// only its scope counts: two tokens of an organisation belong to one client, which may retry with a newer token, but
// a request that one application's token may not make must not get the answer to another token's request.
func NewIdempotencyKey(scope Scope, method, path, query, key string) IdempotencyKey {
	text, err := json.Marshal([]any{scope, method, path, query, []byte(key)})
	if err != nil {
		panic(err) // impossible: there are only strings
	}
	return IdempotencyKey{OrgID: scope.OrgID, Hash: sha256.Sum256(text)}
}

// StoredAnswer is the response to a request, as its adapter wrote it.
type StoredAnswer struct {
	Status int // HTTP status
	Body   []byte

	// Secret is the part of the response that must not be stored. A StoredAnswer that Once returns has it only if that
	// same call did the work.
	Secret []byte
}

// Succeeded reports whether the answer is to be kept.
func (a StoredAnswer) Succeeded() bool { return a.Status/100 == 2 }

// Idempotency stores the answers to requests with an idempotency key.
type Idempotency interface {
	// Once runs work in a unit of work, stores its answer in it and commits both. If the key has an answer younger than
	// IdempotencyLifetime, Once returns that answer instead. Concurrent callers with the same key block. The changes
	// that work makes through the given Store take effect together. If work returns an error, or an answer that is not
	// a success, none of them takes effect and no answer is stored. Work may run more than once, as in InTx.
	Once(ctx context.Context, key IdempotencyKey, now time.Time,
		work func(context.Context, Store) (StoredAnswer, error)) (StoredAnswer, error)
}

// IdempotencyPruner deletes expired idempotency keys.
type IdempotencyPruner interface {
	// IdempotencyPrune deletes the keys that are not younger than before, and returns how many.
	IdempotencyPrune(ctx context.Context, before time.Time) (int64, error)
}

// keyHash hashes keys of any length to 32 bytes. Only the key counts, whatever the body.
func keyHash(key string) []byte {
	if key == "" {
		return nil
	}
	hash := sha256.Sum256([]byte(key))
	return hash[:]
}

// IdempotencyLifetime is how long an idempotency key returns its stored answer.
const IdempotencyLifetime = 12 * time.Hour

// batchKeyHash returns the idempotency key of one message of a batch. When the batch is sent again, each message
// finds the one that was first stored in its place.
func batchKeyHash(key string, place int) []byte {
	if key == "" {
		return nil
	}
	hash := sha256.New()
	hash.Write(keyHash(key))
	hash.Write(binary.BigEndian.AppendUint32(nil, uint32(place)))
	return hash.Sum(nil)
}

// positionHash returns the idempotency key of a message from a source. Clients cannot choose the same key, because a
// header cannot hold a NUL.
func positionHash(source, position string) []byte {
	if position == "" {
		return nil
	}
	hash := sha256.Sum256([]byte("source\x00" + strconv.Quote(source) + "\x00" + position))
	return hash[:]
}
