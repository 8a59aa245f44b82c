package server

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestCurlExamplesAreComplete does not run a shell; it parses each example.
func TestCurlExamplesAreComplete(t *testing.T) {
	t.Parallel()
	whole := regexp.MustCompile(`^curl (?:-X ([A-Z]+) )?'http://localhost:8071(/[^{}']*)'` +
		`( \\\n  -H "Authorization: Bearer \$TOKEN")?(?: \\\n  -H 'Content-Type: application/json' \\\n  -d '([^']*)')?$`)
	for _, op := range operations(t) {
		parts := whole.FindStringSubmatch(curlExample(op))
		if parts == nil {
			t.Errorf("%s: %s", op.OperationID, curlExample(op))
			continue
		}
		if method := parts[1]; method != op.Method && (method != "" || op.Method != http.MethodGet) {
			t.Errorf("%s: the method is %q", op.OperationID, method)
		}
		if sent := parts[3] != ""; sent != (len(op.Security) > 0) {
			t.Errorf("%s: sends a token: %t", op.OperationID, sent)
		}
		if op.RequestBody == nil {
			if parts[4] != "" {
				t.Errorf("%s takes no body, and is sent %s", op.OperationID, parts[4])
			}
			continue
		}
		var body any
		if err := json.Unmarshal([]byte(parts[4]), &body); err != nil {
			t.Errorf("%s: the body %q is not JSON: %v", op.OperationID, parts[4], err)
			continue
		}
		for _, fault := range faults(op.RequestBody.Content.JSON(), body, "body") {
			t.Errorf("%s: %s", op.OperationID, fault)
		}
	}
}

// TestCurlExamplesAreAccepted sends each example to a service of its own, because examples change what others name. The
// entities that an example names need not exist.
func TestCurlExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	for _, op := range operations(t) {
		f := newFixture(t)
		path := regexp.MustCompile(`8071(/[^']*)'`).FindStringSubmatch(curlExample(op))[1]
		body := ""
		if op.RequestBody != nil {
			body = bodyExample(op)
		}
		path = strings.ReplaceAll(path, "customer-42/", "one/")
		path = strings.ReplaceAll(path, "/billing", "/hook")
		w := f.send(op.Method, path, body, "Authorization: Bearer "+f.token(t, bearer(op)))
		if w.Code == 400 || w.Code == 422 || w.Code >= 500 {
			t.Errorf("%s %s %s is answered %d: %s", op.Method, path, body, w.Code, w.Body)
		}
	}
}
