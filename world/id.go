package world

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"time"
)

const (
	appPrefix      = "app_"
	endpointPrefix = "ep_"
	messagePrefix  = "msg_"
	attemptPrefix  = "atmpt_"
)

// random makes all random choices of the world from the seed.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 7075190346))} }

// chance returns true with the given probability.
func (r random) chance(p float64) bool { return p > 0 && r.Float64() < p }

// skewed returns a number below n; small numbers are more frequent than large ones.
func (r random) skewed(n int) int {
	u := r.Float64()
	return int(float64(n) * u * u)
}

// moment returns a time between from and until.
func (r random) moment(from, until time.Time) time.Time {
	return from.Add(time.Duration(r.Float64() * float64(until.Sub(from))))
}

const ksuidEpoch = 1_400_000_000

// id returns an id like core's: the prefix and a KSUID with milliseconds. Core's ids use the system's random numbers;
// these use the seed.
func (r random) id(prefix string, at time.Time) string {
	head := uint64(at.Unix()-ksuidEpoch)<<32 | uint64(at.Nanosecond()/int(4*time.Millisecond))<<24 | r.Uint64()>>40
	var text [33]byte
	n := copy(text[:], prefix)
	encode62(text[n:n+27], head, r.Uint64(), uint32(r.Uint64()))
	return string(text[:n+27])
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// encode62 writes a number of 160 bits as 27 digits, ten of them per division.
func encode62(text []byte, high, middle uint64, low uint32) {
	const ten = 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62
	end := len(text)
	for end > 0 {
		var rest uint64
		high, rest = high/ten, high%ten
		middle, rest = bits.Div64(rest, middle, ten)
		lowest, rest := bits.Div64(rest>>32, rest<<32|uint64(low), ten)
		low = uint32(lowest)
		for range min(10, end) {
			end--
			text[end] = base62[rest%62]
			rest /= 62
		}
	}
}

// secret returns an HMAC key.
func (r random) secret() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.Uint64()), r.Uint64()), r.Uint64())
}
