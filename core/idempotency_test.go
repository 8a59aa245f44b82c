package core

import (
	"testing"
)

func TestIdempotencyKeysOfDifferentRequestsDiffer(t *testing.T) {
	t.Parallel()
	app := Scope{OrgID: "org_a", AppID: "app_1"}
	viewer := app
	viewer.Capabilities = []Capability{CapabilityViewBase}
	seen := map[IdempotencyKey]int{}
	for n, key := range []IdempotencyKey{
		NewIdempotencyKey(Scope{OrgID: "org_a"}, "POST", "/app", "", "k"),
		NewIdempotencyKey(Scope{OrgID: "org_b"}, "POST", "/app", "", "k"),
		NewIdempotencyKey(app, "POST", "/app", "", "k"),
		NewIdempotencyKey(viewer, "POST", "/app", "", "k"),
		NewIdempotencyKey(app, "PUT", "/app", "", "k"),
		NewIdempotencyKey(app, "POST", "/app", "a=b", "k"),
		NewIdempotencyKey(app, "POST", "/app", "a", "=bk"),
		NewIdempotencyKey(app, "POST", "/app?a=b", "", "k"),
		NewIdempotencyKey(app, "POST", "/app", "", "\xff"),
		NewIdempotencyKey(app, "POST", "/app", "", "\xfe"),
		NewIdempotencyKey(app, "POST", "/app", "", `","`),
	} {
		if other, found := seen[key]; found {
			t.Errorf("requests %d and %d have the same", other, n)
		}
		seen[key] = n
	}
	again := Scope{OrgID: "org_a", AppID: "app_1"} // as in another token
	if _, found := seen[NewIdempotencyKey(again, "POST", "/app", "", "k")]; !found {
		t.Error("two requests that are the same differ")
	}
}

func TestOnlySuccessIsKept(t *testing.T) {
	t.Parallel()
	for status, kept := range map[int]bool{0: false, 100: false, 200: true, 299: true, 300: false, 404: false, 500: false} {
		if got := (StoredAnswer{Status: status}).Succeeded(); got != kept {
			t.Errorf("%d: %v", status, got)
		}
	}
}
