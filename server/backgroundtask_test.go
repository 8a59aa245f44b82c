package server

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestApplicationsSeeTheirOwnTasks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		token, task string
		status      int
	}{
		{"org_a", taskOfApp, 200}, {"org_a", taskOfOrg, 200},
		{"one", taskOfApp, 200}, {"one", taskOfOrg, 404},
		{"two", taskOfApp, 404}, {"two", taskOfOrg, 404},
		{"org_b", taskOfApp, 404}, {"org_b", taskOfOrg, 404},
	} {
		f := newFixture(t)
		token := "Authorization: Bearer " + f.token(t, test.token)
		wantStatus(t, f.send("GET", "/api/v1/background-task/"+test.task, "", token), test.status)
		list := f.send("GET", "/api/v1/background-task", "", token).Body.String()
		if listed := strings.Contains(list, `"id":"`+test.task); listed != (test.status == 200) {
			t.Errorf("to %s %s answers %d, and is listed: %t", test.token, test.task, test.status, listed)
		}
	}
}

// begun returns the task that a request started.
func begun(t *testing.T, method, path, body string) core.BackgroundTask {
	t.Helper()
	f := newFixture(t)
	wantStatus(t, f.ask(t, method, "/api/v1"+path, body), 202)
	return f.store.tasks[len(f.store.tasks)-1]
}

func TestWhatIsAskedForReachesTheTask(t *testing.T) {
	t.Parallel()
	task := begun(t, "POST", "/app/one/endpoint/hook/bulk-replay",
		`{"since":"2026-01-20","until":"2026-01-21T00:00:00+01:00","eventTypes":["a","b","a"],"channel":"c","tag":"t","status":0,"statusCodeClass":0}`)
	p := task.Parameters
	if !p.Since.Equal(time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)) || !p.Until.Equal(time.Date(2026, 1, 20, 23, 0, 0, 0, time.UTC)) ||
		strings.Join(p.EventTypes, "") != "ab" || p.Channel != "c" || p.Tag != "t" || *p.Status != core.StatusSuccess || p.CodeFrom != 0 || p.CodeTo != 99 {
		t.Errorf("parameters are %+v", p)
	}
	if task.OrgID != "org_a" || *task.AppID == "" || *task.EndpointID == "" || !task.NextAt.Equal(testNow) || *task.Data.MessagesSent != 0 {
		t.Errorf("the task is %+v", task)
	}
}

func TestPeriodsAreCutToWhatCanBeSent(t *testing.T) {
	t.Parallel()
	p := begun(t, "POST", "/app/one/endpoint/hook/replay-missing", `{"since":"2020-01-20","until":"2030-01-01"}`).Parameters
	if !p.Since.Equal(testNow.AddDate(0, 0, -90)) || !p.Until.Equal(testNow) {
		t.Errorf("the period is %s to %s", p.Since, p.Until)
	}
	p = begun(t, "POST", "/stats/usage/app", `{"since":"0000-01-20","until":"2030-01-01","appIds":["two","one","two"]}`).Parameters
	if p.Since.Year() != 2014 || !p.Until.Equal(testNow) || len(p.AppIDs) != 2 || p.AppIDs[0] > p.AppIDs[1] {
		t.Errorf("the period is %s to %s of %q", p.Since, p.Until, p.AppIDs)
	}
}

// begins lists the requests that start tasks.
var begins = []struct{ method, path, body string }{
	{"POST", "/app/one/endpoint/hook/recover", `{"since":"2026-01-20"}`},
	{"POST", "/app/one/endpoint/hook/replay-missing", `{"since":"2026-01-20"}`},
	{"POST", "/app/one/endpoint/hook/bulk-replay", `{"since":"2026-01-20"}`},
	{"POST", "/app/one/msg/expunge-all-contents", ""},
	{"POST", "/stats/usage/app", `{"since":"2026-01-01","until":"2026-02-01"}`},
	{"PUT", "/stats/usage/event-types", ""},
}

func TestTaskBeginsOnceItsTwinHasEnded(t *testing.T) {
	t.Parallel()
	for _, begin := range begins {
		t.Run(begin.path, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			ask := func() *httptest.ResponseRecorder { return f.ask(t, begin.method, "/api/v1"+begin.path, begin.body) }
			wantStatus(t, ask(), 202)
			first := &f.store.tasks[len(f.store.tasks)-1]
			second := ask()
			wantStatus(t, second, 409)
			if text := second.Body.String(); !strings.Contains(text, string(first.ID)) || !strings.Contains(text, `"code":"task_running"`) {
				t.Errorf("the answer does not name %s: %s", first.ID, text)
			}
			first.Status = core.TaskFailed
			wantStatus(t, ask(), 202)
		})
	}
}

func TestTaskIsAnsweredAgainToItsKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ask := func(key string) *httptest.ResponseRecorder {
		return f.send("POST", "/api/v1/app/one/endpoint/hook/recover", `{"since":"2026-01-20"}`,
			"Authorization: Bearer "+f.token(t, "org_a"), "Idempotency-Key: "+key)
	}
	first := ask("a")
	wantStatus(t, first, 202)
	again := ask("a")
	wantStatus(t, again, 202)
	if first.Body.String() != again.Body.String() {
		t.Errorf("answered %s, then %s", first.Body, again.Body)
	}
	wantStatus(t, ask("b"), 409)
}
