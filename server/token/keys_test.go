package token

import (
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// withKeys returns an authority with one key that signs and others that verify.
func withKeys(t *testing.T, algorithm, signing, verifying string) *Authority {
	t.Helper()
	first, err := ParseKey(algorithm, signing)
	if err != nil {
		t.Fatal(err)
	}
	more, err := ParseKeys(algorithm, verifying)
	if err != nil {
		t.Fatal(err)
	}
	return New(append(Keys{first}, more...), func() time.Time { return testNow })
}

func TestKeysRotateWithoutEndingTokens(t *testing.T) {
	t.Parallel()
	for algorithm, key := range signings() {
		old, next := key[0], key[2]
		token := func(of *Authority) string {
			t.Helper()
			text, err := of.Org("org_a", core.OrgTokenLifetime)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		wantGood := func(step string, reader *Authority, text string, good bool) {
			t.Helper()
			if _, err := reader.Parse(text); (err == nil) != good || err != nil && !core.IsKind(err, core.KindUnauthenticated) {
				t.Errorf("%s, %s: %v; want it good: %t", algorithm, step, err, good)
			}
		}
		before, announced := withKeys(t, algorithm, old, ""), withKeys(t, algorithm, old, " "+next)
		swapped, after := withKeys(t, algorithm, next, key[1]+" , "+next), withKeys(t, algorithm, next, "")
		ofOld, ofNext := token(announced), token(swapped)
		wantGood("the old key signs until they are swapped", before, ofOld, true)
		wantGood("the new one signs from then on", after, ofNext, true)
		wantGood("announced", announced, ofNext, true)
		wantGood("swapped", swapped, ofOld, true)
		wantGood("before", before, ofNext, false)
		wantGood("after", after, ofOld, false)
	}
}

func TestKeysThatVerifyAreNoTokens(t *testing.T) {
	t.Parallel()
	const old = "an old secret that only these tests have"
	_, err := withKeys(t, "HS256", testSecret, old).Parse(old)
	if err == nil || !strings.Contains(err.Error(), "signing secrets cannot be used as tokens") {
		t.Errorf("the old secret itself: %v", err)
	}
}

func TestKeysOfListsAreRefused(t *testing.T) {
	t.Parallel()
	k := keys()
	for name, test := range map[string]struct{ algorithm, text, want string }{
		"an empty one":   {"HS256", testSecret + ",," + testSecret, "key 2 is empty"},
		"a short one":    {"HS256", testSecret + ",short", "key 2 has 5 bytes"},
		"of another":     {"EdDSA", k.ed + "," + k.rsaPublic, "key 2 holds a key that is not of EdDSA"},
		"too many":       {"HS256", strings.Repeat(testSecret+",", keysMax) + testSecret, "11 keys"},
		"a PEM, no list": {"HS256", k.edPublic, "key 1 holds a PEM"},
	} {
		if got, err := ParseKeys(test.algorithm, test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %d keys, %v; want %s", name, len(got), err, test.want)
		}
	}
}
