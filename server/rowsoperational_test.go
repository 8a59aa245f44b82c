package server

import "maps"

func init() { maps.Copy(rows, rowsOperational) }

// rowsOperational are the rows of operational-webhook endpoints; the fixture has one, ops.
var rowsOperational = map[string][]row{
	"OperationalWebhookEndpointList": {
		{"all", "/operational-webhook/endpoint", "", 200, []string{`"prevIterator":"-{watcher}"`, `"eventTypes":["endpoint.disabled"],"filterTypes":["endpoint.disabled"]`, `"done":true`}},
		{"a page", "/operational-webhook/endpoint?order=ascending&iterator={watcher}", "", 200, []string{`{"data":[],"done":true,"iterator":null}`}},
		{"iterator", "/operational-webhook/endpoint?iterator=BAD-$$$ITERATOR", "", 422, []string{`"loc":["query","iterator"]`}},
		{"limit", "/operational-webhook/endpoint?limit=251", "", 422, []string{`"loc":["query","limit"]`}},
	},
	"OperationalWebhookEndpointCreate": {
		{"least", "/operational-webhook/endpoint", `{"url":"https://N.example","version":7,"channels":["c"]}`, 201,
			[]string{`"url":"https://n.example/"`, `"description":""`, `"eventTypes":null`, `"uid":null`}},
		{"most", "/operational-webhook/endpoint", `{"url":"https://n.example/","uid":"n","description":"D","disabled":true,
			"eventTypes":["endpoint.created","background_task.finished"],"rateLimit":1,"metadata":{"a":"b"},
			"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","headers":{"x-mine":"1"}}`, 201,
			[]string{`"uid":"n"`, `"disabled":true`, `"eventTypes":["endpoint.created","background_task.finished"]`, `"throttleRate":1`, `"a":"b"`}},
		{"older name", "/operational-webhook/endpoint", `{"url":"https://n.example/","filterTypes":["message.attempt.failing"]}`, 201, []string{`"eventTypes":["message.attempt.failing"]`}},
		{"taken", "/operational-webhook/endpoint", `{"url":"https://n.example/","uid":"ops"}`, 409, []string{`"code":"conflict"`}},
		{"no url", "/operational-webhook/endpoint", `{}`, 422, []string{"missing field `url`"}},
		{"event type of its own", "/operational-webhook/endpoint", `{"url":"https://n.example/","eventTypes":["endpoint.created","a.made"]}`, 422,
			[]string{`"loc":["body","eventTypes"]`, "The following event types don't exist: a.made\""}},
		{"header of the connection", "/operational-webhook/endpoint", `{"url":"https://n.example/","headers":{"Host":"n.example"}}`, 422,
			[]string{`"loc":["body","headers","Host"]`}},
		{"bad header", "/operational-webhook/endpoint", `{"url":"https://n.example/","headers":{"a b":"1"}}`, 422, []string{`"loc":["body","headers","a b"]`}},
	},
	"OperationalWebhookEndpointGet": {
		{"by uid", "/operational-webhook/endpoint/ops", "", 200, []string{`"id":"{watcher}"`, `"throttleRate":5`, `"rateLimit":5`}},
		{"by id", "/operational-webhook/endpoint/{watcher}", "", 200, []string{`"uid":"ops"`}},
		{"unknown", "/operational-webhook/endpoint/none", "", 404, nil},
		{"an endpoint of an application", "/operational-webhook/endpoint/{endpoint}", "", 404, nil},
	},
	"OperationalWebhookEndpointUpdate": {
		{"replaces", "/operational-webhook/endpoint/ops", `{"url":"https://n.example/"}`, 200,
			[]string{`"id":"{watcher}"`, `"uid":null`, `"throttleRate":null`, `"eventTypes":null`}},
		{"escapes", "/operational-webhook/endpoint/ops", `{"url":"https://n.example/?q=a b"}`, 200, []string{`"url":"https://n.example/?q=a%20b"`}},
		{"creates", "/operational-webhook/endpoint/none", `{"url":"https://n.example/","uid":"n"}`, 201, []string{`"uid":"n"`}},
		{"taken", "/operational-webhook/endpoint/none", `{"url":"https://n.example/","uid":"ops"}`, 409, nil},
		{"both names", "/operational-webhook/endpoint/ops", `{"url":"https://n.example/","eventTypes":[],"filterTypes":[]}`, 422, []string{"same field"}},
		{"unknown event type", "/operational-webhook/endpoint/ops", `{"url":"https://n.example/","eventTypes":["a.made"]}`, 422, []string{"don't exist: a.made"}},
	},
	"OperationalWebhookEndpointDelete": {
		{"by uid", "/operational-webhook/endpoint/ops", "", 204, nil},
		{"unknown", "/operational-webhook/endpoint/none", "", 404, nil},
		{"an endpoint of an application", "/operational-webhook/endpoint/{endpoint}", "", 404, nil},
	},
	"OperationalWebhookEndpointHeadersGet": {
		{"by uid", "/operational-webhook/endpoint/ops/headers", "", 200, []string{`{"headers":{"X-Team":"Ours"},"sensitive":[]}`}},
		{"unknown", "/operational-webhook/endpoint/none/headers", "", 404, nil},
	},
	"OperationalWebhookEndpointHeadersUpdate": {
		{"replaces", "/operational-webhook/endpoint/ops/headers", `{"headers":{"X-mine":"1"}}`, 204, nil},
		{"unknown", "/operational-webhook/endpoint/none/headers", `{"headers":{}}`, 404, nil},
		{"no headers", "/operational-webhook/endpoint/ops/headers", `{}`, 422, []string{"missing field `headers`"}},
		{"reserved", "/operational-webhook/endpoint/ops/headers", `{"headers":{"svix-id":"1"}}`, 422, []string{"value_error.jsondecode"}},
	},
	"OperationalWebhookEndpointSecretGet": {
		{"by uid", "/operational-webhook/endpoint/ops/secret", "", 200, []string{`{"key":"whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"}`}},
		{"unknown", "/operational-webhook/endpoint/none/secret", "", 404, nil},
	},
	"OperationalWebhookEndpointSecretRotate": {
		{"generated", "/operational-webhook/endpoint/ops/secret/rotate", `{}`, 204, nil},
		{"given", "/operational-webhook/endpoint/{watcher}/secret/rotate", `{"key":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","gracePeriodSeconds":0}`, 204, nil},
		{"unknown", "/operational-webhook/endpoint/none/secret/rotate", `{}`, 404, nil},
		{"bad key", "/operational-webhook/endpoint/ops/secret/rotate", `{"key":"whsec_x"}`, 422, []string{`"loc":["body","key"]`}},
		{"grace", "/operational-webhook/endpoint/ops/secret/rotate", `{"gracePeriodSeconds":604801}`, 422, []string{`"loc":["body","gracePeriodSeconds"]`}},
	},
}
