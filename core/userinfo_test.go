package core

import (
	"strings"
	"testing"
)

func TestURLsAreShownWithoutUserAndPassword(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		"https://example.com/a":                          "https://example.com/a",
		"https://user:password@example.com/a?b=c@d":      "https://***@example.com/a?b=c@d",
		"https://key@example.com:8443/":                  "https://***@example.com:8443/",
		"https://:password@[::1]/":                       "https://***@[::1]/",
		"https://example.com/a@b":                        "https://example.com/a@b",
		"https://example.com?a@b":                        "https://example.com?a@b",
		"https://a:b@c:d@example.com":                    "https://***@example.com",
		"https:\\\\user:password@example.com\\a@b":       "https:\\\\***@example.com\\a@b", // from old releases
		"https:user:password@example.com":                "https:***@example.com",
		"https:\n//\tuser:password@example.com":          "https:\n//\t***@example.com",
		"https://user:pass/word@example.com/":            "https://user:pass/word@example.com/", // host user, by the standard
		"https://***@example.com/":                       "https://***@example.com/",
		"":                                               "",
		"https://user:" + strings.Repeat("p", 99) + "@h": "https://***@h",
	} {
		if got := MaskURL(stored); got != want {
			t.Errorf("%q is shown as %q, want %q", stored, got, want)
		}
	}
}

func TestEndpointURLKeepsItsPasswordWhereItIsWrittenBack(t *testing.T) {
	t.Parallel()
	const was = "https://user:password@example.com:8443/a?b=c"
	rules := EndpointRules{HTTPSOnly: true}
	for given, want := range map[string]string{
		MaskURL(was):                         was,
		"https://***@example.com:8443/other": "https://user:password@example.com:8443/other",
		"HTTPS://***@EXAMPLE.com:8443/a":     "https://user:password@example.com:8443/a",
		"https://%2A**@example.com:8443/":    "https://user:password@example.com:8443/",
		"https://new@example.com:8443/":      "https://new@example.com:8443/",
		"https://example.com:8443/":          "https://example.com:8443/", // it no longer has one
		"https://example.org/":               "https://example.org/",

		// URLs that would be sent elsewhere, or that have no mask.
		"https://***@evil.example/":               "",
		"https://***@example.com:8443.evil.test/": "",
		"https://***@example.com/":                "",
		"http://***@example.com:8443/":            "",
		"https://***@example.com:8443\\@evil/":    "https://user:password@example.com:8443/@evil/", // the path begins with @
		"https://***:x@example.com:8443/":         "https://***:x@example.com:8443/",
	} {
		got, err := endpointOfURL(t, rules, was, func(in *EndpointIn) { in.URL = given })
		if want == "" {
			if !IsKind(err, KindInvalid) || strings.Contains(err.Error(), "password@") {
				t.Errorf("%s is taken for %s: %v", given, got, err)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s becomes %s, %v; want %s", given, got, err, want)
		}
	}
	for _, without := range []string{"", "https://example.com:8443/", "https://***@example.com:8443/x"} {
		if got, err := endpointOfURL(t, rules, without, func(in *EndpointIn) { in.URL = "https://***@example.com:8443/" }); !IsKind(err, KindInvalid) {
			t.Errorf("%q, which has no password, becomes %q, %v", without, got, err)
		}
	}
	for _, odd := range []string{"https://***@h/", "https://user:password@h/?q=a b", "http://user:p@[bad]/"} {
		for _, given := range []string{odd, MaskURL(odd)} {
			got, err := endpointOfURL(t, rules, odd, func(in *EndpointIn) { in.URL = given })
			if normal, bad := NormalURL(odd, nil); err != nil || bad == nil && got != normal || bad != nil && got != odd {
				t.Errorf("%q, as %q, becomes %q, %v", odd, given, got, err)
			}
		}
	}
}

func TestURLOriginIsSchemeHostAndPort(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		"https://example.com":                      "https://example.com",
		"https://example.com/a?b=c@d":              "https://example.com",
		"https://user:password@example.com:8443/a": "https://example.com:8443",
		"https://***@example.com?a@b":              "https://example.com",
		"https://a@b@[::1]:80#c":                   "https://[::1]:80",
		"https:\\\\user@example.com\\a@b":          "https:\\\\example.com",
		"https://user@":                            "https://",
		"user@example.com":                         "example.com",
		"":                                         "",
	} {
		if got := URLOrigin(stored); got != want {
			t.Errorf("the origin of %q is %q, want %q", stored, got, want)
		}
	}
}
