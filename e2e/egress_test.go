package e2e

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

func TestEndpointHTTPSOnlySettingRefusesHTTP(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	c := rig.Start(t, rig.Settings(database), "api").Service(t).NewTenant(t)
	app := c.NewApplication(t)
	old := rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: "http://example.com/"}, nil))(t).Id

	strict := rig.NewClient(t, rig.Start(t, rig.Settings(database, "POSTRIDER_ENDPOINT_HTTPS_ONLY=true"), "api").Service(t).URL, c.Token)
	endpoints := "/api/v1/app/" + app + "/endpoint"
	for _, r := range []struct {
		status             int
		method, path, body string
	}{
		{422, "POST", "", `{"url": "http://example.com/"}`},
		{422, "POST", "", `{"url": "HTTP://example.com/"}`},
		{201, "POST", "", `{"url": "HTTPS://example.com/"}`},
		{422, "PUT", "/new", `{"url": "http://example.com/", "uid": "new"}`},
		{201, "PUT", "/new", `{"url": "https://example.com/", "uid": "new"}`},
		{422, "PUT", "/new", `{"url": "http://example.com/", "uid": "new"}`},
		{422, "PATCH", "/new", `{"url": "http://example.com/"}`},
		{200, "PATCH", "/new", `{"url": "https://example.org/"}`},
		// An existing endpoint stays as it is, and other fields can change without fixing the URL.
		{200, "PATCH", "/" + old, `{"description": "old"}`},
		{422, "PATCH", "/" + old, `{"url": "http://example.org/"}`},
		{200, "PUT", "/" + old, `{"url": "http://example.com/", "disabled": true}`},
	} {
		got := strict.Call(t, r.status, r.method, endpoints+r.path, r.body)
		if r.status == 422 && !strings.Contains(string(got.Body), "https") {
			t.Errorf("%s %s: %s", r.method, r.path, got.Body)
		}
	}
}

func TestEndpointIsReachedByProxyAndTrustedByCA(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	t.Cleanup(receiver.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: receiver.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	// The receiver's certificate is for example.com: to the proxy, the receiver is example.com.
	asked := make(chan string, 100)
	proxy := newConnectProxy(t, receiver.Listener.Addr().String(), asked)
	_, s := rig.Serve(t, "POSTRIDER_PROXY_URL="+proxy, "POSTRIDER_PROXY_RESOLVES=true", "POSTRIDER_CA_FILE="+authority)
	c := s.NewTenant(t)
	app := c.NewApplication(t)
	rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: "https://example.com/hook"}, nil))(t)
	c.SendMessage(t, app)
	rig.Await(t, func() string {
		if requests.Load() == 0 {
			return "nothing arrived"
		}
		return ""
	})
	if got := <-asked; got != "example.com:443" {
		t.Errorf("the proxy was asked for %s", got)
	}
}

// newConnectProxy starts an HTTP proxy that always connects to the same address, whatever the request names.
func newConnectProxy(t *testing.T, to string, asked chan<- string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Host
		out, err := net.Dial("tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		_, _ = io.Copy(in, out)
		in.Close()
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
