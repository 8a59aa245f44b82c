package e2e

import (
	"net/http"
	"sync"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

// TestPathWithDotSegmentDeletesNoApplication covers a former bug: a customer named an endpoint "..", and the
// organisation's DELETE of that endpoint deleted the application.
func TestPathWithDotSegmentDeletesNoApplication(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	access := rig.Must(c.Authentication.AppPortalAccess(t.Context(), app, svix.AppPortalAccessIn{}, nil))(t)
	customer := rig.NewClient(t, c.URL, access.Token)
	path := "/api/v1/app/" + app + "/endpoint"
	customer.Call(t, 422, "POST", path, `{"url":"https://example.com/","uid":".."}`)
	customer.Call(t, 422, "PUT", path+"/new", `{"url":"https://example.com/","uid":".."}`)
	for _, dots := range []string{"/..", "/../", "/.", "/%2e%2e", "/%2E.", "/x/../.."} {
		c.Call(t, 404, "DELETE", path+dots, "")
	}
	rig.Must(c.Application.Get(t.Context(), app))(t)
}

func TestUpdatesAtOnceCreateOne(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	for name, put := range map[string]struct{ path, body string }{
		"application": {"/app/", `"name":"A"`},
		"endpoint":    {"/app/" + app + "/endpoint/", `"url":"https://example.com/"`},
		"operational": {"/operational-webhook/endpoint/", `"url":"https://example.com/"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				uid := "new-" + rig.Random()
				body := `{"uid":"` + uid + `",` + put.body + `}`
				statuses := [8]int{}
				var wait sync.WaitGroup
				for i := range statuses {
					wait.Go(func() {
						r, err := c.Do(t.Context(), http.MethodPut, "/api/v1"+put.path+uid, body)
						if err != nil {
							t.Error(err)
						}
						statuses[i] = r.Status
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
