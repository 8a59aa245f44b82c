package server

import (
	"fmt"
	"strings"
	"testing"
)

func TestEndpointHeadersArePatchedWhateverTheirCase(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/app/one/endpoint/hook/headers"
	for _, test := range []struct{ name, patch, want string }{
		{"another spelling replaces", `{"headers":{"x-team":"B"}}`, `{"headers":{"x-team":"B"},"sensitive":["Authorization","x-api-Key"]}`},
		{"null deletes", `{"headers":{"x-TEAM":null,"authorization":null}}`, `{"headers":{},"sensitive":["x-api-Key"]}`},
		{"deleteHeaders deletes", `{"headers":{"X-New":"1"},"deleteHeaders":["x-team","none"]}`, `{"headers":{"X-New":"1"},"sensitive":["Authorization","x-api-Key"]}`},
		{"what is deleted and set is set", `{"headers":{"X-Team":null,"x-team":"B"}}`, `{"headers":{"x-team":"B"},"sensitive":["Authorization","x-api-Key"]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			wantStatus(t, f.ask(t, "PATCH", path, test.patch), 204)
			wantStatus(t, f.ask(t, "GET", path, ""), 200, test.want)
		})
	}
}

func TestEndpointHeadersAreReplaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const path = "/api/v1/app/one/endpoint/hook/headers"
	wantStatus(t, f.ask(t, "PUT", path, `{"headers":{"X-mine":"1","X-Auth-Token":"hidden"}}`), 204)
	wantStatus(t, f.ask(t, "GET", path, ""), 200, `{"headers":{"X-mine":"1"},"sensitive":["X-Auth-Token"]}`)
	wantStatus(t, f.ask(t, "PUT", path, `{"headers":{}}`), 204)
	wantStatus(t, f.ask(t, "GET", path, ""), 200, `{"headers":{},"sensitive":[]}`)
}

func TestEndpointHeadersAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const path = "/api/v1/app/one/endpoint/hook/headers"
	var all []string
	for n := range 100 {
		all = append(all, fmt.Sprintf(`"x-%d":""`, n))
	}
	wantStatus(t, f.ask(t, "PUT", path, `{"headers":{`+strings.Join(all, ",")+`}}`), 204)
	wantStatus(t, f.ask(t, "PATCH", path, `{"headers":{"X-0":"1"}}`), 204)
	wantStatus(t, f.ask(t, "PATCH", path, `{"headers":{"x-100":"1"}}`), 422, `"loc":["body","headers"]`, "at most 100")
	wantStatus(t, f.ask(t, "GET", path, ""), 200, `"X-0":"1"`)
	wantStatus(t, f.ask(t, "PATCH", path, `{"headers":{"x-0":null,"x-100":"1"}}`), 204)
}
