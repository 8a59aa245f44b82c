package delivery

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"

	"github.com/postrider/postrider/core"
)

func TestInternationalHostIsStoredInASCII(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://bücher.example/":       "https://xn--bcher-kva.example/",
		"https://Faß.example/":          "https://xn--fa-hia.example/",
		"https://例え。テスト/":               "https://xn--r8jz45g.xn--zckzah/",
		"http://１２７.0.0.1/":             "http://127.0.0.1/",
		"https://BÜCHER.example:8443/ü": "https://xn--bcher-kva.example:8443/%C3%BC",
		"https://b%C3%BCcher.example/":  "https://xn--bcher-kva.example/",
		"https://XN--bcher-kva.example": "https://xn--bcher-kva.example/",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got, err := core.NormalURL(text, DomainToASCII); err != nil || got != want {
				t.Errorf("got  %s, %v\nwant %s", got, err, want)
			}
		})
	}
	for _, text := range []string{
		"https://a\u200db.com/",
		"https://xn--a/",
		"https://\u00ad/",
		"https://א1b.example/",
		"https://" + strings.Repeat("ü", 64) + ".example/",
	} {
		if got, err := core.NormalURL(text, DomainToASCII); err == nil || !strings.Contains(err.Error(), "domain name") {
			t.Errorf("%q becomes %q, %v, want it refused", text, got, err)
		}
	}
}

// FuzzNormalURL is core's fuzz test of the same name with the IDNA tables.
func FuzzNormalURL(f *testing.F) {
	for _, seed := range []string{"!İ", "xn--!i-sub", "_İ.com", "１２７.1", "\u00ad", "a。b", "xn--a", "ß.xn--", "İİ.example", "%ff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		normal, err := core.NormalURL("https://"+host+"/", DomainToASCII)
		if err != nil {
			return
		}
		if again, err := core.NormalURL(normal, DomainToASCII); err != nil || again != normal {
			t.Errorf("the normal form of %q is %q, %v", normal, again, err)
		}
		u, err := url.Parse(normal)
		if err != nil || callURL(normal) != normal || !httpguts.ValidHostHeader(u.Host) {
			t.Errorf("%q cannot be called", normal)
		}
	})
}

func TestStoredURLIsCalledInItsNormalForm(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		"https://example.com/?q=a b":       "https://example.com/?q=a%20b",
		"https://bücher.example/?q=ü":      "https://xn--bcher-kva.example/?q=%C3%BC",
		"https://example.com/?q='":         "https://example.com/?q='", // was always sent like this, and can be
		"https://example.com/%zz":          "https://example.com/%zz",  // has no normal form
		"https://[fe80::1%25en0]/?q=a":     "https://[fe80::1%25en0]/?q=a",
		"https://example.com:0/?q=a%20b|c": "https://example.com:0/?q=a%20b|c",
	} {
		if got := callURL(stored); got != want {
			t.Errorf("%q is called as %q, want %q", stored, got, want)
		}
	}
}
