package core

import (
	"net/http"
	"strings"
	"testing"
)

func TestNormalURLIsTheOneOfTheStandard(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://example.com":              "https://example.com/",
		"HTTPS://EXAMPLE.com:443/A?b#c":    "https://example.com/A?b",
		"http://example.com:80?":           "http://example.com/?",
		"http://example.com:00081/":        "http://example.com:81/",
		"http://example.com:/":             "http://example.com/",
		" \x1f\thttp://exa\tmple.com/\na ": "http://example.com/a",
		"http:example.com":                 "http://example.com/",
		"http:\\\\example.com\\a\\b?\\":    "http://example.com/a/b?\\",
		"http:////example.com//a":          "http://example.com//a",

		"https://h/?q=a b":           "https://h/?q=a%20b",
		"https://h/?q=ü&r=\"<'>`{|}": "https://h/?q=%C3%BC&r=%22%3C%27%3E`{|}",
		"https://h/?q=100%&r=%zz%2F": "https://h/?q=100%&r=%zz%2F",
		"https://h/a%2Fb|^c%7c":      "https://h/a%2Fb%7C%5Ec%7c",
		"https://h/ü \"<>`{}[]'|":    "https://h/%C3%BC%20%22%3C%3E%60%7B%7D[]'%7C",
		"https://h/a/./b/../%2e%2E/": "https://h/",
		"https://h/../../a/..":       "https://h/",

		"https://u:p@h/":           "https://u:p@h/",
		"https://:@h/":             "https://h/",
		"https://u;=|:p@:@h/":      "https://u%3B%3D%7C:p%40%3A@h/",
		"https://ex%61mple.com/":   "https://example.com/",
		"https://under_score.com/": "https://under_score.com/",
		"https://example.com./":    "https://example.com./",

		"http://0x7f.1/":            "http://127.0.0.1/",
		"http://2130706433/":        "http://127.0.0.1/",
		"http://017700000001/":      "http://127.0.0.1/",
		"http://[::FFFF:127.0.0.1]": "http://[::ffff:7f00:1]/",
		"http://[2001:DB8:0:0::1]":  "http://[2001:db8::1]/",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := NormalURL(text, nil)
			if err != nil || got != want {
				t.Errorf("got  %s, %v\nwant %s", got, err, want)
			}
			wantNormal(t, want)
		})
	}
}

func TestNormalURLRefusesWhatCannotBeCalled(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        "must be absolute",
		"example.com":             "must be absolute",
		"/a":                      "must be absolute",
		"ftp://example.com/":      "must be absolute",
		"javascript:alert(1)":     "must be absolute",
		"https://":                "must be absolute",
		"https:///?q":             "must be absolute",
		"https://h:0/":            "between 1 and 65535",
		"https://h:65536/":        "between 1 and 65535",
		"https://h:x/":            "between 1 and 65535",
		"https://a b/":            "host",
		"https://a%00b/":          "host",
		"https://a<b/":            "host",
		"https://a{b/":            "host",
		"https://1.2.3.256/":      "host",
		"https://1.2.3.4.5/":      "host",
		"https://[::1/":           "host",
		"https://[fe80::1%25en0]": "host",
		"https://h/100%":          "write % as %25",
		"https://h/%zz?a":         "write % as %25",
		"https://50%@h/":          "write % as %25",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := NormalURL(text, nil)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %q, %v, want an error with %q", got, err, want)
			}
		})
	}
}

// FuzzNormalURL normalises any text: the result is its own normal form, and the request line and Host of a request
// to it contain exactly its parts.
func FuzzNormalURL(f *testing.F) {
	for _, seed := range []string{
		"http:\\\\u:p@EXAMPLE.com:8080/a%2Fb/../|^?q=a b'ü#f", "https://0x7f.1./%2e./?%", "http://[::ffff:1.2.3.4]:80",
		"https://%41%2e1:@:/%2E%2E", "http://[::1]]:1", "http:@/www.example.com", "http://!$&'()*+,;=~/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if normal, err := NormalURL(text, nil); err == nil {
			wantNormal(t, normal)
		}
	})
}

// wantNormal checks that a URL is in normal form and is sent as written.
func wantNormal(t *testing.T, normal string) {
	t.Helper()
	if again, err := NormalURL(normal, nil); err != nil || again != normal {
		t.Errorf("the normal form of %q is %q, %v", normal, again, err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, normal, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	user := ""
	if i := strings.LastIndexByte(normal[:len(normal)-len(r.URL.RequestURI())], '@'); i >= 0 {
		user = normal[len(r.URL.Scheme)+len("://") : i+1]
	}
	if sent := r.URL.Scheme + "://" + user + r.Host + r.URL.RequestURI(); sent != normal {
		t.Errorf("%q is sent as %q", normal, sent)
	}
}
