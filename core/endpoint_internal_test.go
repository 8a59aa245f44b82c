package core

import (
	"context"
	"strings"
	"testing"
)

// endpointOfURL creates an endpoint, or changes one that already has a URL, and returns the resulting URL.
func endpointOfURL(t *testing.T, r EndpointRules, was string, change func(*EndpointIn)) (string, error) {
	t.Helper()
	in := EndpointIn{URL: was, Version: 1}
	change(&in)
	err := r.validate(&in, was)
	return in.URL, err
}

func TestEndpointURLIsBoundedInItsNormalForm(t *testing.T) {
	t.Parallel()
	var rules EndpointRules
	for name, test := range map[string]struct {
		spaces, others int
		want           bool
	}{
		"fits":                {10, urlBytesMost - 30, true},
		"is too long":         {0, urlBytesMost + 1, false},
		"becomes too long":    {11, urlBytesMost - 30, false},
		"is far beyond bound": {urlBytesMost, urlBytesMost, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const start = "https://h/?"
			text := start + strings.Repeat(" ", test.spaces) + strings.Repeat("a", test.others-len(start))
			got, err := endpointOfURL(t, rules, "", func(in *EndpointIn) { in.URL = text })
			if (err == nil) != test.want || err == nil && len(got) > urlBytesMost {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// An endpoint whose URL was stored under older rules can still be changed.
func TestEndpointOfAnOlderURLCanBeChanged(t *testing.T) {
	t.Parallel()
	rules := EndpointRules{HTTPSOnly: true}
	long := "https://h/?" + strings.Repeat(" ", urlBytesMost-12) + "a"
	for stored, want := range map[string]string{
		"https://h/?q=a b": "https://h/?q=a%20b",
		"http://h/?q=a b":  "http://h/?q=a%20b",
		"http://[bad]/":    "http://[bad]/",
		long:               long,
		long + "a":         long + "a",
	} {
		got, err := endpointOfURL(t, rules, stored, func(in *EndpointIn) { in.Description = "changed" })
		if err != nil || got != want {
			t.Errorf("%.50q becomes %.50q, %v", stored, got, err)
		}
		for _, given := range []string{"http://other/", "https://[bad]/", "https://h/" + strings.Repeat("a", urlBytesMost)} {
			if _, err := endpointOfURL(t, rules, stored, func(in *EndpointIn) { in.URL = given }); !IsKind(err, KindInvalid) {
				t.Errorf("%.50q for %.50q: %v, want it refused", given, stored, err)
			}
		}
	}
}

func TestEndpointURLIsStoredInItsNormalForm(t *testing.T) {
	t.Parallel()
	s, _ := fakeService(fakeTx{endpoint: anEndpoint(false)})
	scope, given := Scope{OrgID: "org_a"}, "HTTPS://Example.ORG/"
	in := EndpointIn{UID: new("main"), URL: given, Version: 1}
	for name, call := range map[string]func(context.Context) (Endpoint, error){
		"create": func(ctx context.Context) (Endpoint, error) { return s.EndpointCreate(ctx, scope, "acme", in) },
		"update": func(ctx context.Context) (Endpoint, error) {
			e, _, err := s.EndpointUpdate(ctx, scope, "acme", "main", in)
			return e, err
		},
		"patch": func(ctx context.Context) (Endpoint, error) {
			return s.EndpointPatch(ctx, scope, "acme", "main", func(in *EndpointIn) { in.URL = given })
		},
		"create operational": func(ctx context.Context) (Endpoint, error) {
			return s.OperationalWebhookEndpointCreate(ctx, scope, in)
		},
	} {
		e, err := call(t.Context())
		if err != nil || e.URL != "https://example.org/" {
			t.Errorf("%s: stored is %q, %v", name, e.URL, err)
		}
	}
}
