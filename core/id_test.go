package core

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/ksuid"
	"pgregory.net/rapid"
)

func TestIDsAreKSUIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), ksuidBytes, ksuidBytes).Draw(t, "bytes")
		want, err := ksuid.FromBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		text := encode62([ksuidBytes]byte(raw))
		if text != want.String() {
			t.Fatalf("%x is %s, want %s", raw, text, want)
		}
		if back, ok := decode62(text); !ok || back != [ksuidBytes]byte(raw) {
			t.Fatalf("%s read back is %x", text, back)
		}
	})
}

func TestIDsSortByTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from, to := ksuidEpoch*int64(1000), (ksuidEpoch+secondsMax)*int64(1000)
		a := time.UnixMilli(rapid.Int64Range(from, to-4).Draw(t, "milliseconds"))
		b := a.Add(time.Duration(rapid.Int64Range(4, 1e9).Draw(t, "later")) * time.Millisecond)
		first, second := NewMessageID(a), NewMessageID(b)
		if first >= second || MessageIDAt(a) > first || first >= MessageIDAt(b) {
			t.Fatalf("%s at %s, %s at %s", first, a, second, b)
		}
		if got, err := first.Time(); err != nil || a.Sub(got) < 0 || a.Sub(got) >= 4*time.Millisecond {
			t.Fatalf("the time of %s is %s, %v; made at %s", first, got, err, a)
		}
	})
}

func TestIDsOfOneInstantSortAsTheyWereMade(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SliceOfN(rapid.Byte(), ksuidBytes-1, ksuidBytes-1).Draw(t, "bytes")
		k := [ksuidBytes]byte(append([]byte{0}, from...))
		step := rapid.Uint64().Draw(t, "step")
		a, b := new(big.Int).SetBytes(k[:]), plus(k, step)
		if want := a.Add(a, new(big.Int).SetUint64(step)).Add(a, big.NewInt(1)); new(big.Int).SetBytes(b[:]).Cmp(want) != 0 {
			t.Fatalf("%x and %d and 1 is %x", k, step, b)
		}
	})
	var l latest
	at := time.Now()
	last := encode62(l.next(at))
	for range 10_000 {
		l.next(at.Add(-time.Second)) // another caller's, whose clock was read earlier
		id := encode62(l.next(at))
		if id <= last {
			t.Fatalf("%s was made after %s", id, last)
		}
		last = id
	}
}

func TestIDsOfImpossibleTimes(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)} {
		id := NewMessageID(at)
		if _, err := id.Time(); err != nil || len(id) != len("msg_")+ksuidChars {
			t.Errorf("at %s: %s, %v", at, id, err)
		}
	}
	late := time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)
	if MessageIDAt(late) <= NewMessageID(late) {
		t.Error("a bound after the last instant is not above the ids of the last")
	}
}

// Of two times before the first possible id, the later one used to give a bound below that of the earlier one.
func TestABoundBeforeTheFirstInstantIsTheFirst(t *testing.T) {
	t.Parallel()
	at := time.Unix(ksuidEpoch, 0).Add(-time.Millisecond)
	if bound := MessageIDAt(at); bound > MessageIDAt(time.Unix(ksuidEpoch, 0)) {
		t.Errorf("the bound of %s is %s", at, bound)
	}
}

func TestWhatIsNoID(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "msg_", "app_" + strings.Repeat("0", 27), "msg_" + strings.Repeat("0", 26), "msg_" + strings.Repeat("0", 28),
		"msg_" + strings.Repeat("z", 27), "msg_" + strings.Repeat("-", 27), "msg_" + strings.Repeat("é", 13) + "0",
	} {
		if at, err := MessageID(s).Time(); err == nil {
			t.Errorf("%q was made at %s", s, at)
		}
	}
}
