package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/core"
)

func (c credentials) equal(other credentials) bool {
	return c.url == other.url && maps.Equal(c.headers, other.headers) && sameSecret(c.secret, other.secret)
}

func drawCredentials(t *rapid.T, keys SecretKeys) credentials {
	c := credentials{url: "https://example.test:8443/a?b=c@d", headers: core.Headers{}, secret: drawSecret(t, keys)}
	if userinfo := rapid.SampledFrom([]string{"", "ada", ":pass%20word", "***", "ada:***", "a@b"}).Draw(t, "userinfo"); userinfo != "" {
		c.url = strings.Replace(c.url, "://", "://"+userinfo+"@", 1)
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		c.headers[rapid.StringMatching(`[!#a-zA-Z]{1,9}`).Draw(t, "name")] = rapid.String().Draw(t, "value")
	}
	return c
}

func TestAnyCredentialsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	a, ba := newKeys(t, "a"), newKeys(t, "ba")
	b := ba[:1]
	rapid.Check(t, func(t *rapid.T) {
		c := drawCredentials(t, a)
		plain := SecretKeys{}.sealCredentials(c, "app_1", "ep_1")
		if plain.url != c.url || !maps.Equal(plain.headers, c.headers) {
			t.Fatalf("without keys they are stored as %+v", plain)
		}
		old := a.sealCredentials(c, "app_1", "ep_1")
		for name, stored := range map[string]columns{"plain": plain, "sealed": old} {
			again, changed := ba.resealCredentials(stored, "app_1", "ep_1")
			if twice, changed := ba.resealCredentials(again, "app_1", "ep_1"); changed || !bytes.Equal(twice.secret, again.secret) {
				t.Fatalf("%s: sealed again, %+v changed once more", name, again)
			}
			for _, read := range []struct {
				keys SecretKeys
				columns
			}{{ba, stored}, {b, again}} {
				if got, err := read.keys.openCredentials(read.columns, "app_1", "ep_1"); err != nil || !got.equal(c) {
					t.Fatalf("%s: read %+v, %v; want %+v", name, got, err, c)
				}
			}
			if !changed || len(again.headers) > 0 || plainUserinfo(again.url) != "" || again.headers == nil {
				t.Fatalf("%s: sealed again as %+v, %t", name, again, changed)
			}
		}
	})
}

// TestSealedCredentialsOpenInTheirPlaceAlone includes values that are changed by hand beside sealed ones.
func TestSealedCredentialsOpenInTheirPlaceAlone(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "a")
	const url = "https://ada:password@example.test/a"
	c := credentials{url, core.Headers{"Authorization": "Bearer x"}, core.NewSecret()}
	stored := keys.sealCredentials(c, "app_1", "ep_1")
	if stored.url != "https://***@example.test/a" || len(stored.headers) > 0 {
		t.Fatalf("stored as %+v", stored)
	}
	for name, change := range map[string]struct {
		app      core.AppID
		endpoint core.EndpointID
		url      string
		headers  core.Headers
		want     string // the URL, or part of the error
	}{
		"as it is":            {"app_1", "ep_1", stored.url, nil, url},
		"another endpoint":    {"app_1", "ep_2", stored.url, nil, "is another endpoint's"},
		"another application": {"app_2", "ep_1", stored.url, nil, "is another endpoint's"},
		"another path":        {"app_1", "ep_1", "https://***@example.test/b", nil, "https://ada:password@example.test/b"},
		"another host":        {"app_1", "ep_1", "https://***@evil.test/a", nil, "for another scheme, host or port"},
		"another port":        {"app_1", "ep_1", "https://***@example.test:1/a", nil, "for another scheme, host or port"},
		"another scheme":      {"app_1", "ep_1", "http://***@example.test/a", nil, "for another scheme, host or port"},
		"a part of the host":  {"app_1", "ep_1", "https://***@example.test:x@evil.test/a", nil, "for another scheme, host or port"},
		"a new user":          {"app_1", "ep_1", "https://eve@example.test/a", nil, "https://eve@example.test/a"},
		"no user":             {"app_1", "ep_1", "https://example.test/a", nil, "https://example.test/a"},
		"new headers":         {"app_1", "ep_1", stored.url, core.Headers{"X-New": "1"}, url},
	} {
		got, err := keys.openCredentials(columns{change.url, change.headers, stored.secret}, change.app, change.endpoint)
		if !strings.HasPrefix(change.want, "http") {
			if err == nil || !strings.Contains(err.Error(), change.want) || got.url != "" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			continue
		}
		want := c.headers
		if change.headers != nil {
			want = change.headers
		}
		if err != nil || !got.equal(credentials{change.want, want, c.secret}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// A release that does not know sealed headers decrypts the secret alone.
	if got, err := keys.open(stored.secret, "app_1", "ep_1"); err == nil || !got.IsZero() || !strings.Contains(err.Error(), "kind 'c'") {
		t.Errorf("taken for a secret: %v", err)
	}
}

// BenchmarkOpenCredentials measures the cost of opening credentials for one delivery.
func BenchmarkOpenCredentials(b *testing.B) {
	keys := newKeys(b, "a")
	small := core.Headers{"Authorization": "Bearer 0123456789abcdef0123456789abcdef"}
	large := core.Headers{}
	for n := range 100 {
		large[fmt.Sprintf("x-%03d", n)] = strings.Repeat("a", 650)
	}
	for name, headers := range map[string]core.Headers{"none": {}, "one-header": small, "64-KiB": large} {
		for at, keys := range map[string]SecretKeys{"plain": nil, "sealed": keys} {
			c := keys.sealCredentials(credentials{"https://example.test/", headers, core.NewSecret()}, "app_1", "ep_1")
			text, err := json.Marshal(c.headers)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(name+"/"+at, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					headers, err := readHeaders(text)
					if err == nil {
						_, err = keys.openCredentials(columns{c.url, headers, c.secret}, "app_1", "ep_1")
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
