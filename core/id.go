package core

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"
	"sync"
	"time"
)

// Ids are text: a prefix for the kind, then a 27-character KSUID with milliseconds. Under COLLATE "C" they sort by
// creation time, in Go and in SQL alike.
type (
	OrgID      string // of an organisation: "org_" and anything; organisations exist only in tokens
	AppID      string // of an application: "app_..."
	EndpointID string // of an endpoint: "ep_..."
	MessageID  string // of a message: "msg_..."
	AttemptID  string // of an attempt: "atmpt_..."
)

const (
	orgPrefix      = "org_"
	appPrefix      = "app_"
	endpointPrefix = "ep_"
	messagePrefix  = "msg_"
	attemptPrefix  = "atmpt_"
)

// NewAppID returns a new id for an application created at that instant.
func NewAppID(at time.Time) AppID { return AppID(newID(appPrefix, at)) }

// NewEndpointID returns a new id for an endpoint created at that instant.
func NewEndpointID(at time.Time) EndpointID { return EndpointID(newID(endpointPrefix, at)) }

// NewMessageID returns a new id for a message created at that instant.
func NewMessageID(at time.Time) MessageID { return MessageID(newID(messagePrefix, at)) }

// NewAttemptID returns a new id for an attempt made at that instant.
func NewAttemptID(at time.Time) AttemptID { return AttemptID(newID(attemptPrefix, at)) }

// MessageIDAt returns the lowest id that a message of that instant (to 4 ms) can have. It is a bound for lists and
// partitions, never the id of a message.
func MessageIDAt(at time.Time) MessageID { return MessageID(firstID(messagePrefix, at)) }

// AttemptIDAt is MessageIDAt for attempts.
func AttemptIDAt(at time.Time) AttemptID { return AttemptID(firstID(attemptPrefix, at)) }

// IsOrgID reports whether s can be an organisation's id. As on the existing servers, only the prefix counts:
// "org_staging" is a valid id. The reserved id is rejected: the bearer of a token for it could read every
// organisation's operational-webhook endpoints.
func IsOrgID(s string) bool {
	return strings.HasPrefix(s, orgPrefix) && len(s) <= 256 && s != string(OperationalOrg)
}

// IsAppID reports whether s has the form of an application id, which is its prefix.
func IsAppID(s string) bool { return strings.HasPrefix(s, appPrefix) && len(s) <= 256 }

// IsMessageID reports whether s has the form of a message id, which is its prefix. An event id never does.
func IsMessageID(s string) bool { return strings.HasPrefix(s, messagePrefix) }

// A KSUID with milliseconds is 20 bytes: 4 for the seconds since the KSUID epoch, 1 for the 4 ms step within the
// second, and 15 random bytes.
const (
	ksuidEpoch   = 1_400_000_000 // 2014-05-13T16:53:20Z; 4 bytes of seconds last until 2150
	ksuidBytes   = 20
	ksuidChars   = 27 // 62^27 > 2^160
	ksuidStamped = 5  // bytes that hold the time
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func newID(prefix string, at time.Time) string { return prefix + encode62(made.next(at)) }

// made remembers the latest KSUIDs that this process made, so that those of the same 4 ms sort in the order in which
// they were made: messages stored one after the other are listed and delivered in that order.
var made latest

// latest holds the last KSUID of each recent 4 ms step. Steps 64 apart share a slot.
type latest struct {
	mu     sync.Mutex
	ksuids [64][ksuidBytes]byte
}

func (l *latest) next(at time.Time) [ksuidBytes]byte {
	k := stamp(at)
	rand.Read(k[ksuidStamped:]) // never fails: it crashes the process instead
	l.mu.Lock()
	defer l.mu.Unlock()
	step := 250*binary.BigEndian.Uint32(k[:]) + uint32(k[4])
	last := &l.ksuids[step%uint32(len(l.ksuids))]
	if bytes.Equal(last[:ksuidStamped], k[:ksuidStamped]) {
		k = plus(*last, binary.BigEndian.Uint64(k[ksuidBytes-8:]))
	}
	*last = k
	return k
}

// plus returns the KSUID that is step+1 after k. The 64 bits that are added cannot be guessed.
func plus(k [ksuidBytes]byte, step uint64) [ksuidBytes]byte {
	low, carry := bits.Add64(binary.BigEndian.Uint64(k[12:]), step, 1)
	high, carry := bits.Add64(binary.BigEndian.Uint64(k[4:]), 0, carry)
	binary.BigEndian.PutUint64(k[12:], low)
	binary.BigEndian.PutUint64(k[4:], high)
	binary.BigEndian.PutUint32(k[:], binary.BigEndian.Uint32(k[:])+uint32(carry))
	return k
}

// firstID returns a bound below every id of that instant and above every id of an earlier one.
func firstID(prefix string, at time.Time) string {
	if at.Unix()-ksuidEpoch > secondsMax {
		return prefix + "~" // above what newID makes of such an instant
	}
	return prefix + encode62(stamp(at))
}

const secondsMax = 1<<32 - 1

// stamp writes the instant into an otherwise zero KSUID. Instants that the 4 bytes cannot hold become the first or
// last possible one: a wrong clock must never keep events from being stored.
func stamp(at time.Time) (k [ksuidBytes]byte) {
	if at.Unix() < ksuidEpoch {
		return k
	}
	binary.BigEndian.PutUint32(k[:], uint32(min(at.Unix()-ksuidEpoch, secondsMax)))
	k[4] = byte(at.Nanosecond() / int(4*time.Millisecond))
	return k
}

var errNotID = errors.New("not an id of this kind")

// idTime returns the instant an id was made, to 4 ms.
func idTime(prefix, id string) (time.Time, error) {
	tail, ok := strings.CutPrefix(id, prefix)
	if !ok {
		return time.Time{}, errNotID
	}
	k, ok := decode62(tail)
	if !ok {
		return time.Time{}, errNotID
	}
	seconds := int64(binary.BigEndian.Uint32(k[:])) + ksuidEpoch
	return time.Unix(seconds, int64(k[4])*int64(4*time.Millisecond)).UTC(), nil
}

// Time returns the instant the id was made, to 4 ms. It returns an error if id is not a message id.
func (id MessageID) Time() (time.Time, error) { return idTime(messagePrefix, string(id)) }

// Time returns the instant the id was made, to 4 ms. It returns an error if id is not an attempt id.
func (id AttemptID) Time() (time.Time, error) { return idTime(attemptPrefix, string(id)) }

// encode62 writes 20 bytes as 27 base-62 digits, most significant first, by long division over 32-bit limbs.
func encode62(k [ksuidBytes]byte) string {
	var limbs [ksuidBytes / 4]uint32
	for i := range limbs {
		limbs[i] = binary.BigEndian.Uint32(k[4*i:])
	}
	var text [ksuidChars]byte
	for i := ksuidChars - 1; i >= 0; i-- {
		var rest uint64
		for j, limb := range limbs {
			rest = rest<<32 | uint64(limb)
			limbs[j] = uint32(rest / 62)
			rest %= 62
		}
		text[i] = base62[rest]
	}
	return string(text[:])
}

// decode62 is the inverse of encode62. It returns false for text that encode62 never writes.
func decode62(text string) (k [ksuidBytes]byte, ok bool) {
	if len(text) != ksuidChars {
		return k, false
	}
	for _, c := range []byte(text) {
		carry := strings.IndexByte(base62, c)
		if carry < 0 {
			return k, false
		}
		for i := ksuidBytes - 1; i >= 0; i-- {
			carry += int(k[i]) * 62
			k[i] = byte(carry)
			carry >>= 8
		}
		if carry != 0 { // more than 160 bits
			return k, false
		}
	}
	return k, true
}
