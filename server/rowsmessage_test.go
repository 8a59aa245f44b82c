package server

import "maps"

func init() { maps.Copy(rows, rowsMessage) }

// rowsMessage are the rows of messages, of their attempts, and of later operations on both.
var rowsMessage = map[string][]row{
	"EndpointSecretRotate": {
		{"generated", "/app/one/endpoint/hook/secret/rotate", `{}`, 200, []string{`{"key":"whsec_`}},
		{"given", "/app/one/endpoint/hook/secret/rotate", `{"key":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","gracePeriodSeconds":0}`, 200, []string{`{"key":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`}},
		{"ed25519", "/app/one/endpoint/hook/secret/rotate", `{"key":"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="}`, 200, []string{`{"key":"whpk_`}},
		{"half a key", "/app/one/endpoint/hook/secret/rotate", `{"key":"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="}`, 422, []string{`"loc":["body","key"]`, `64 bytes`}},
		{"nulls", "/app/one/endpoint/hook/secret/rotate", `{"key":null,"gracePeriodSeconds":null}`, 200, []string{`{"key":"whsec_`}},
		{"unknown", "/app/one/endpoint/none/secret/rotate", `{}`, 404, nil},
		{"bad key", "/app/one/endpoint/hook/secret/rotate", `{"key":"whsec_x"}`, 422, []string{`"loc":["body","key"]`}},
		{"grace", "/app/one/endpoint/hook/secret/rotate", `{"gracePeriodSeconds":604801}`, 422, []string{`"loc":["body","gracePeriodSeconds"]`}},
		{"no grace at all", "/app/one/endpoint/hook/secret/rotate", `{"gracePeriodSeconds":-1}`, 422, []string{`"gracePeriodSeconds"`}},
		{"centuries", "/app/one/endpoint/hook/secret/rotate", `{"gracePeriodSeconds":9223372036854775807}`, 422, []string{`"gracePeriodSeconds"`}},
	},
	"EndpointStatsGet": {
		{"28 days", "/app/one/endpoint/hook/stats", "", 200, []string{`{"canceled":0,"fail":1,"pending":0,"sending":0,"success":0}`}},
		{"some days", "/app/one/endpoint/hook/stats?since=2026-01-02&until=2026-01-30T00:00:00Z", "", 200, nil},
		{"unknown", "/app/one/endpoint/none/stats", "", 404, nil},
		{"time", "/app/one/endpoint/hook/stats?since=lately", "", 422, []string{`"loc":["query","since"]`}},
		{"end", "/app/one/endpoint/hook/stats?until=soon", "", 422, []string{`"loc":["query","until"]`}},
		{"too long", "/app/one/endpoint/hook/stats?since=2025-01-01", "", 400, []string{`"code":"invalid_range"`, "28 days before until, 2026-01-31T09:30:00Z"}},
		{"future", "/app/one/endpoint/hook/stats?until=2026-02-01", "", 400, []string{`"code":"invalid_range"`, "in the future"}},
	},
	"EndpointAttemptStatsGet": {
		{"28 days", "/app/one/endpoint/hook/attempt-stats", "", 200, []string{`{"canceled":0,"fail":1,"success":0}`}},
		{"some days", "/app/one/endpoint/hook/attempt-stats?since=2026-01-02&until=2026-01-30T00:00:00Z", "", 200, nil},
		{"unknown", "/app/one/endpoint/none/attempt-stats", "", 404, nil},
		{"unknown application", "/app/none/endpoint/hook/attempt-stats", "", 404, nil},
		{"time", "/app/one/endpoint/hook/attempt-stats?since=lately", "", 422, []string{`"loc":["query","since"]`}},
		{"end", "/app/one/endpoint/hook/attempt-stats?until=soon", "", 422, []string{`"loc":["query","until"]`}},
		{"too long", "/app/one/endpoint/hook/attempt-stats?since=2025-01-01", "", 400, []string{`"code":"invalid_range"`, "28 days before until, 2026-01-31T09:30:00Z"}},
		{"future", "/app/one/endpoint/hook/attempt-stats?until=2026-02-01", "", 400, []string{`"code":"invalid_range"`, "in the future"}},
	},
	"MessageSendExample": {
		{"ping", "/app/one/endpoint/hook/send-example", `{"eventType":"svix.ping"}`, 200, []string{`"payload":{"success": true}`, `"eventType":"svix.ping"`}},
		{"first", "/app/one/endpoint/hook/send-example", `{"eventType":"b.secret","exampleIndex":null}`, 200, []string{`"payload":{"n": 1}`}},
		{"second", "/app/one/endpoint/hook/send-example", `{"eventType":"b.secret","exampleIndex":1}`, 200, []string{`"payload":{"n": 2}`}},
		{"beyond the last", "/app/one/endpoint/hook/send-example", `{"eventType":"b.secret","exampleIndex":9223372036854775807}`, 200, []string{`"payload":{"n": 1}`}},
		{"unknown endpoint", "/app/one/endpoint/none/send-example", `{"eventType":"svix.ping"}`, 404, nil},
		{"unknown event type", "/app/one/endpoint/hook/send-example", `{"eventType":"none"}`, 404, nil},
		{"no example", "/app/one/endpoint/hook/send-example", `{"eventType":"a.made"}`, 400, []string{`"code":"invalid_scheme"`}},
		{"no event type", "/app/one/endpoint/hook/send-example", `{}`, 422, []string{"missing field `eventType`"}},
		{"bad event type", "/app/one/endpoint/hook/send-example", `{"eventType":"\u0000"}`, 422, []string{`"loc":["body","eventType"]`}},
		{"disabled", "/app/one/endpoint/off/send-example", `{"eventType":"svix.ping"}`, 409, []string{`{"code":"endpoint_disabled","detail":"The endpoint is disabled, so nothing is sent to it; enable it first."}`}},
	},
	"MessageCreateMany": {
		{"an answer for each", "/app/one/msg/batch", `{"messages":[{"eventType":"n","payload":` + oddPayload + `},{"eventType":"n","payload":[]},
			{"eventType":"n","payload":{},"eventId":"order-1"},7,{"eventType":"n","channels":"c"},{"eventType":"n","data":[]},{"eventType":"n","payload":{"last":1}}]}`, 202,
			[]string{`"payload":` + oddPayload, `{"error":{"detail":[{"loc":["body","messages[1]","payload"],"msg":"The payload must be a JSON object.","type":"value_error"}]},"status":422}`,
				`{"error":{"code":"conflict","detail":"The application already has a message with the eventId order-1; send each event with an id of its own."},"status":409}`, `"loc":["body","messages[3]"]`,
				`"loc":["body","messages[4]","channels"]`, `"loc":["body","messages[5]","data"]`, `"payload":{"last":1}`}},
		{"none", "/app/one/msg/batch", `{"messages":[]}`, 202, []string{`{"data":[]}`}},
		{"without content", "/app/one/msg/batch?with_content=false", `{"messages":[{"eventType":"n","payload":{"a":1}}]}`, 202, []string{`"payload":{}`}},
		{"unknown", "/app/none/msg/batch", `{"messages":[]}`, 404, nil},
		{"no messages", "/app/one/msg/batch", `{}`, 422, []string{"missing field `messages`"}},
		{"no list", "/app/one/msg/batch", `{"messages":{}}`, 422, []string{`"loc":["body","messages"]`}},
	},
	"MessagePrecheck": {
		{"somebody", "/app/one/msg/precheck/active", `{"eventType":"a.made","channels":["c"]}`, 200, []string{`{"active":true}`}},
		{"nobody", "/app/one/msg/precheck/active", `{"eventType":"a.made"}`, 200, []string{`{"active":false}`}},
		{"unknown", "/app/none/msg/precheck/active", `{"eventType":"n"}`, 404, nil},
		{"no event type", "/app/one/msg/precheck/active", `{}`, 422, []string{"missing field `eventType`"}},
		{"bad channel", "/app/one/msg/precheck/active", `{"eventType":"n","channels":["a b"]}`, 422, []string{`"loc":["body","channels[0]"]`}},
	},
	"MessageExpungeMany": {
		{"by id and event id", "/app/one/msg/bulk-expunge", `{"ids":["{message}","order-1","none","{message}"]}`, 200,
			[]string{`"{message}":"expunged"`, `"order-1":"expunged"`, `"none":"not-found"`}},
		{"unknown", "/app/none/msg/bulk-expunge", `{"ids":[]}`, 404, nil},
		{"no ids", "/app/one/msg/bulk-expunge", `{}`, 422, []string{"missing field `ids`"}},
		{"what Postgres cannot take", "/app/one/msg/bulk-expunge", `{"ids":["\u0000"]}`, 422, []string{`"loc":["body","ids"]`}},
	},
	"MessageExpunge": {
		{"by event id", "/app/one/msg/order-1/content", "", 204, nil},
		{"unknown", "/app/one/msg/none/content", "", 404, nil},
	},
	"MessageResend": {
		{"by uids", "/app/one/msg/order-1/endpoint/hook/resend", "", 202, []string{`{}`}},
		{"unknown message", "/app/one/msg/none/endpoint/hook/resend", "", 404, nil},
		{"unknown endpoint", "/app/one/msg/order-1/endpoint/none/resend", "", 404, nil},
		{"disabled", "/app/one/msg/order-1/endpoint/off/resend", "", 409, []string{`{"code":"endpoint_disabled","detail":"The endpoint is disabled, so nothing is sent to it; enable it first."}`}},
	},
	"AttemptedMessageList": {
		{"all", "/app/one/endpoint/hook/msg", "", 200, []string{`"payload":` + oddPayload, `"status":2,"statusText":"fail"`, `"iterator":"{message}"`}},
		{"without content", "/app/one/endpoint/hook/msg?with_content=false&status=2", "", 200, []string{`"payload":{}`}},
		{"pending", "/app/one/endpoint/hook/msg?status=1", "", 200, []string{`"data":[]`}},
		{"canceled", "/app/one/endpoint/hook/msg?status=4", "", 200, []string{`"data":[]`}},
		{"unknown", "/app/one/endpoint/none/msg", "", 404, nil},
		{"status", "/app/one/endpoint/hook/msg?status=5", "", 422, []string{`"loc":["query","status"]`}},
		{"iterator", "/app/one/endpoint/hook/msg?iterator=atmpt_1", "", 422, []string{`"loc":["query","iterator"]`}},
		{"time", "/app/one/endpoint/hook/msg?before=noon", "", 422, []string{`"loc":["query","before"]`}},
	},
	"DestinationList": {
		{"all", "/app/one/msg/order-1/endpoint", "", 200, []string{`"id":"{endpoint}"`, `"status":2,"statusText":"fail"`, `"nextAttempt":null`, `"uid":"hook"`}},
		{"unknown", "/app/one/msg/none/endpoint", "", 404, nil},
		{"limit", "/app/one/msg/order-1/endpoint?limit=251", "", 422, nil},
		{"iterator", "/app/one/msg/order-1/endpoint?iterator=BAD-$$$ITERATOR", "", 422, []string{`"loc":["query","iterator"]`}},
	},
	"AttemptListByMessageDeprecated": {
		{"all", "/app/one/msg/order-1/attempt", "", 200, []string{`"id":"{attempt}"`}},
		{"to one endpoint", "/app/one/msg/order-1/attempt?endpoint_id=hook", "", 200, []string{`"id":"{attempt}"`}},
		{"unknown", "/app/one/msg/none/attempt", "", 404, nil},
		{"status", "/app/one/msg/order-1/attempt?status=5", "", 422, nil},
	},
	"AttemptListByDestinationDeprecated": {
		{"all", "/app/one/msg/order-1/endpoint/hook/attempt", "", 200, []string{`"id":"{attempt}"`}},
		{"unknown endpoint", "/app/one/msg/order-1/endpoint/none/attempt", "", 404, nil},
		{"status", "/app/one/msg/order-1/endpoint/hook/attempt?status=5", "", 422, nil},
	},
	"AttemptExpunge": {
		{"by id", "/app/one/msg/order-1/attempt/{attempt}/content", "", 204, nil},
		{"unknown", "/app/one/msg/order-1/attempt/atmpt_x/content", "", 404, nil},
	},
}
