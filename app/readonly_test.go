package app

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/postrider/postrider/store"
)

// readOnly reconnects the same world with connections that refuse writes, like those to a standby.
func (w *world) readOnly(t *testing.T) {
	t.Helper()
	u, err := url.Parse(w.config.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("default_transaction_read_only", "on")
	u.RawQuery = query.Encode()
	refusing := &Instance{config: w.config, log: w.log, tokens: w.Instance.tokens, traces: w.traces, metrics: w.metrics}
	refusing.config.DatabaseURL = u.String()
	if refusing.store, err = refusing.config.openStore(t.Context(), "api", store.Config{Log: w.log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(refusing.store.Close)
	w.handler = refusing.handler(nil)
}

// TestReadOnlyDatabaseIsUnavailableToEveryOperationThatWrites also checks that all other operations succeed.
func TestReadOnlyDatabaseIsUnavailableToEveryOperationThatWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.populate(t)
	w.readOnly(t)
	reads := map[string]bool{"AuthAppPortalAccess": true, "AuthDashboardAccess": true, "MessagePrecheck": true} // though they are POST
	for _, op := range operations(t) {
		answer := w.send(t, op.good)
		good := answer.Code == http.StatusServiceUnavailable && answer.Header().Get("Retry-After") != ""
		if op.good.method == http.MethodGet || reads[op.id] {
			good = answer.Code < 400
		}
		if !good {
			t.Errorf("%s: answered %d, Retry-After %q: %.300s", op.id, answer.Code, answer.Header().Get("Retry-After"), answer.Body)
		}
	}
}
