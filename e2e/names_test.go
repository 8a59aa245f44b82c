package e2e

import (
	"net/http"
	"sync"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// A customer's token named an endpoint "..", and the organisation's DELETE of it deleted the application.
func TestDotSegmentDeletesNoApplication(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app := c.application(t)
	access := must(c.Authentication.AppPortalAccess(t.Context(), app, svix.AppPortalAccessIn{}, nil))(t)
	customer := newClient(t, c.url, access.Token)
	path := "/api/v1/app/" + app + "/endpoint"
	customer.call(t, 422, "POST", path, `{"url":"https://example.com/","uid":".."}`)
	customer.call(t, 422, "PUT", path+"/new", `{"url":"https://example.com/","uid":".."}`)
	for _, dots := range []string{"/..", "/../", "/.", "/%2e%2e", "/%2E.", "/x/../.."} {
		c.call(t, 404, "DELETE", path+dots, "")
	}
	must(c.Application.Get(t.Context(), app))(t)
}

func TestUpdatesAtOnceCreateOnce(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app := c.application(t)
	for name, put := range map[string]struct{ path, body string }{
		"application": {"/app/", `"name":"A"`},
		"endpoint":    {"/app/" + app + "/endpoint/", `"url":"https://example.com/"`},
		"operational": {"/operational-webhook/endpoint/", `"url":"https://example.com/"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				uid := "new-" + random()
				body := `{"uid":"` + uid + `",` + put.body + `}`
				statuses := [8]int{}
				var wait sync.WaitGroup
				for i := range statuses {
					wait.Go(func() {
						r, err := c.send(t.Context(), http.MethodPut, "/api/v1"+put.path+uid, body)
						if err != nil {
							t.Error(err)
						}
						statuses[i] = r.status
					})
				}
				wait.Wait()
				count := map[int]int{}
				for _, status := range statuses {
					count[status]++
				}
				if count[201] != 1 || count[200] != len(statuses)-1 {
					t.Errorf("answered %v, want one 201 and the others 200", statuses)
				}
			}
		})
	}
}
