package server

import (
	"fmt"
	"testing"

	"github.com/postrider/postrider/core"
)

// printed prints a filter, including the value of its status, which is a pointer.
func printed(filter any) string {
	a, is := filter.(core.AttemptFilter)
	if !is {
		return fmt.Sprintf("%+v", filter)
	}
	status := "any"
	if a.Status != nil {
		status = fmt.Sprint(*a.Status)
	}
	return fmt.Sprintf("status %s, codes %d to %d, channel %q, types %q, to one endpoint: %t",
		status, a.CodeFrom, a.CodeTo, a.Channel, a.EventTypes, a.EndpointID != "")
}

func TestFiltersReachTheStore(t *testing.T) {
	t.Parallel()
	const all, types = `status any, codes 0 to 0, channel "", types []`, "event_types=a,b&event_types[]=c"
	for _, test := range []struct{ path, want string }{
		{"/app/one/msg", "{Channel: Tag: EventTypes:[]}"},
		{"/app/one/msg?channel=c&tag=a/b&" + types, "{Channel:c Tag:a/b EventTypes:[a b c]}"},
		{"/app/one/endpoint/hook/attempt-stats", "[2026-01-03 09:00:00 +0000 UTC 2026-01-31 10:00:00 +0000 UTC]"},
		{"/app/one/endpoint/hook/attempt-stats?since=2026-01-02T10:59:59.999Z&until=2026-01-02T11:00:00Z",
			"[2026-01-02 10:00:00 +0000 UTC 2026-01-02 11:00:00 +0000 UTC]"},
		{"/app/one/endpoint/hook/attempt-stats?since=2026-01-02T10:00:00%2B05:30&until=2026-01-02T10:00:00.001%2B05:30",
			"[2026-01-02 04:00:00 +0000 UTC 2026-01-02 05:00:00 +0000 UTC]"},
		{"/app?exclude_apps_with_no_endpoints=true", "{NoEndpoints:true DisabledEndpoints:false PlayEndpoints:false}"},
		{"/app?exclude_apps_with_disabled_endpoints=true&exclude_apps_with_svix_play_endpoints=true",
			"{NoEndpoints:false DisabledEndpoints:true PlayEndpoints:true}"},
		{"/event-type", "{Archived:false AllFlags:true Flags:[]}"},
		{"/event-type?include_archived=true", "{Archived:true AllFlags:true Flags:[]}"},
		{"/app/one/attempt/endpoint/hook", all + ", to one endpoint: false"},
		{"/app/one/attempt/endpoint/hook?status=0&status_code_class=0&channel=c&" + types,
			`status 0, codes 0 to 99, channel "c", types ["a" "b" "c"], to one endpoint: false`},
		{"/app/one/attempt/endpoint/hook?status=3&status_code_class=500",
			`status 3, codes 500 to 599, channel "", types [], to one endpoint: false`},
		{"/app/one/attempt/msg/order-1", all + ", to one endpoint: false"},
		{"/app/one/attempt/msg/order-1?endpoint_id=hook&status=2&status_code_class=100&channel=c&" + types,
			`status 2, codes 100 to 199, channel "c", types ["a" "b" "c"], to one endpoint: true`},
	} {
		f := newFixture(t)
		wantStatus(t, f.ask(t, "GET", "/api/v1"+test.path, ""), 200)
		if got := printed(f.store.filter); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.path, got, test.want)
		}
	}
}

func TestTextThatPostgresCannotTakeIsRefused(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"channel=%00", "channel=%ff", "event_types=a,%00", "event_types[]=%c3"} {
		wantStatus(t, newFixture(t).ask(t, "GET", "/api/v1/app/one/msg?"+query, ""), 400, "generic_error")
	}
}
