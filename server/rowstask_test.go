package server

import "maps"

func init() { maps.Copy(rows, rowsTask) }

// rowsTask are the rows of background tasks and of the operations that start them.
var rowsTask = map[string][]row{
	"EndpointRecover": {
		{"since", "/app/one/endpoint/hook/recover", `{"since":"2026-01-20T00:00:00Z"}`, 202,
			[]string{`"id":"qtask_`, `"status":"running"`, `"task":"endpoint.recover"`, `"updatedAt":"2026-01-31T09:30:00.123456Z"`}},
		{"14 days to the day", "/app/one/endpoint/hook/recover", `{"since":"2025-06-01 00:00:00","until":"2025-06-15"}`, 202, nil},
		{"until the future", "/app/one/endpoint/hook/recover", `{"since":"2026-01-20","until":"2027-01-01"}`, 202, nil},
		{"null", "/app/one/endpoint/hook/recover", `{"since":"2026-01-20","until":null}`, 202, nil},
		{"unknown", "/app/one/endpoint/none/recover", `{"since":"2026-01-20"}`, 404, nil},
		{"disabled", "/app/one/endpoint/off/recover", `{"since":"2026-01-20"}`, 409, []string{`{"code":"endpoint_disabled","detail":"The endpoint is disabled, so nothing is sent to it; enable it first."}`}},
		{"one runs", "/app/one/endpoint/second/recover", `{"since":"2026-01-20"}`, 409, []string{`{"code":"task_running","detail":"The background task ` + taskOfApp + ` (endpoint.recover) is still running; wait until it ends. GET /api/v1/background-task/{task_id} shows its progress."}`}},
		{"unknown application", "/app/none/endpoint/hook/recover", `{"since":"2026-01-20"}`, 404, nil},
		{"no since", "/app/one/endpoint/hook/recover", `{}`, 422, []string{"missing field `since`"}},
		{"longer", "/app/one/endpoint/hook/recover", `{"since":"2026-01-17T09:20:00Z"}`, 422, []string{`"loc":["body","since"]`, "since must be at most 14 days before until"}},
		{"longer, long ago", "/app/one/endpoint/hook/recover", `{"since":"2020-01-01","until":"2020-02-01"}`, 422, []string{"14 days"}},
		{"backwards", "/app/one/endpoint/hook/recover", `{"since":"2026-01-20","until":"2026-01-19"}`, 422, []string{`"loc":["body","since"]`}},
		{"in the future", "/app/one/endpoint/hook/recover", `{"since":"2026-01-31T09:40:00Z"}`, 422, []string{`"loc":["body","since"]`}},
		{"no time", "/app/one/endpoint/hook/recover", `{"since":"yesterday"}`, 422, []string{`"loc":["body","since"]`}},
		{"no text", "/app/one/endpoint/hook/recover", `{"since":5}`, 422, []string{`"loc":["body","since"]`, "a string"}},
		{"bad until", "/app/one/endpoint/hook/recover", `{"since":"2026-01-20","until":""}`, 422, []string{`"loc":["body","until"]`}},
	},
	"EndpointReplayMissing": {
		{"since", "/app/one/endpoint/hook/replay-missing", `{"since":"2020-01-01"}`, 202, []string{`"task":"endpoint.replay"`}},
		{"another kind runs", "/app/one/endpoint/second/replay-missing", `{"since":"2026-01-20"}`, 202, nil},
		{"unknown", "/app/one/endpoint/none/replay-missing", `{"since":"2026-01-20"}`, 404, nil},
		{"disabled", "/app/one/endpoint/off/replay-missing", `{"since":"2026-01-20"}`, 409, []string{`{"code":"endpoint_disabled","detail":"The endpoint is disabled, so nothing is sent to it; enable it first."}`}},
		{"backwards", "/app/one/endpoint/hook/replay-missing", `{"since":"2026-01-20","until":"2026-01-19"}`, 422, nil},
	},
	"EndpointBulkReplay": {
		{"since", "/app/one/endpoint/hook/bulk-replay", `{"since":"2026-01-20"}`, 202, []string{`"task":"endpoint.bulk-replay"`}},
		{"every filter", "/app/one/endpoint/hook/bulk-replay", `{"since":"2026-01-20","eventTypes":["a","a"],"channel":"c:1","tag":"t/1","status":2,"statusCodeClass":500}`, 202, nil},
		{"nulls", "/app/one/endpoint/hook/bulk-replay", `{"since":"2026-01-20","until":null,"eventTypes":null,"channel":null,"tag":null,"status":null,"statusCodeClass":null}`, 202, nil},
		{"unknown", "/app/one/endpoint/none/bulk-replay", `{"since":"2026-01-20"}`, 404, nil},
		{"disabled", "/app/one/endpoint/off/bulk-replay", `{"since":"2026-01-20"}`, 409, []string{`{"code":"endpoint_disabled","detail":"The endpoint is disabled, so nothing is sent to it; enable it first."}`}},
		{"status", "/app/one/endpoint/hook/bulk-replay", `{"since":"2026-01-20","status":4}`, 422, []string{`"loc":["body","status"]`}},
		{"status in words", "/app/one/endpoint/hook/bulk-replay", `{"since":"2026-01-20","status":"fail"}`, 422, []string{`"loc":["body","status"]`, "a whole number"}},
		{"status code class", "/app/one/endpoint/hook/bulk-replay", `{"since":"2026-01-20","statusCodeClass":404}`, 422, []string{`"loc":["body","statusCodeClass"]`}},
		{"NULs", "/app/one/endpoint/hook/bulk-replay", `{"since":"2026-01-20","eventTypes":["\u0000"],"channel":"\u0000","tag":"\u0000"}`, 422,
			[]string{`["body","eventTypes[0]"]`, `["body","channel"]`, `["body","tag"]`}},
	},
	"MessageExpungeAll": {
		{"by uid", "/app/one/msg/expunge-all-contents", "", 202, []string{`"task":"application.purge_content"`}},
		{"unknown", "/app/none/msg/expunge-all-contents", "", 404, nil},
	},
	"BackgroundTaskList": {
		{"all", "/background-task", "", 200, []string{`"iterator":"qtask_`, `"prevIterator":"-` + taskOfApp, `"status":"running","task":"endpoint.recover"`, `"data":{"messagesProcessed":12,"messagesSent":3}`}},
		{"ascending", "/background-task?order=ascending&limit=1", "", 200, []string{`"iterator":"` + taskOfOrg, `"done":false`}},
		{"that run", "/background-task?status=running&limit=1", "", 200, []string{`"done":true`}},
		{"of a kind", "/background-task?task=event-type.aggregate", "", 200, []string{`"data":[]`}},
		{"status", "/background-task?status=done", "", 422, []string{`"loc":["query","status"]`, "[running finished failed]"}},
		{"broadcasts, of which there are none", "/background-task?task=message.broadcast", "", 200, []string{`{"data":[],"done":true,"iterator":null}`}},
		{"SDKs, of which there are none", "/background-task?task=sdk.generate", "", 200, []string{`{"data":[],"done":true,"iterator":null}`}},
		{"task", "/background-task?task=message.send", "", 422, []string{`"loc":["query","task"]`, "endpoint.recover", "sdk.generate"}},
		{"iterator", "/background-task?iterator=BAD-$$$ITERATOR", "", 422, []string{`"loc":["query","iterator"]`}},
		{"limit", "/background-task?limit=251", "", 422, nil},
		{"order", "/background-task?order=sideways", "", 422, nil},
	},
	"BackgroundTaskGet": {
		{"of an application", "/background-task/" + taskOfApp, "", 200, []string{`"id":"` + taskOfApp, `"data":{"messagesProcessed":12,"messagesSent":3}`}},
		{"that failed", "/background-task/" + taskOfOrg, "", 200, []string{`"data":{"appStats":[{"appId":"{app}","appUid":null,"messageDestinations":7}],"error":"Ours"}`}},
		{"unknown", "/background-task/qtask_3", "", 404, nil},
	},
	"StatsUsageApp": {
		{"all", "/stats/usage/app", `{"since":"2026-01-01","until":"2026-02-01"}`, 202, []string{`"task":"application.stats"`, `"unresolvedAppIds":[]`}},
		{"some", "/stats/usage/app", `{"since":"0000-01-01T00:00:00+14:00","until":"9999-12-31T23:59:59-14:00","appIds":["one","no","{app}"]}`, 202, []string{`"unresolvedAppIds":["no"]`}},
		{"none", "/stats/usage/app", `{"since":"2026-01-01","until":"2026-02-01","appIds":["no"]}`, 422, []string{`"loc":["body","appIds"]`}},
		{"no since", "/stats/usage/app", `{"until":"2026-02-01"}`, 422, []string{"missing field `since`"}},
		{"no until", "/stats/usage/app", `{"since":"2026-02-01"}`, 422, []string{"missing field `until`"}},
		{"backwards", "/stats/usage/app", `{"since":"2026-02-01","until":"2026-01-01"}`, 422, []string{`"loc":["body","since"]`}},
		{"a NUL", "/stats/usage/app", `{"since":"2026-01-01","until":"2026-02-01","appIds":["\u0000"]}`, 422, []string{`"loc":["body","appIds"]`}},
	},
	"StatsUsageEventTypes": {
		{"all", "/stats/usage/event-types", "", 202, []string{`"task":"event-type.aggregate"`}},
	},
}
