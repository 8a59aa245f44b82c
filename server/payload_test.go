package server

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// oddPayload is JSON that encoding/json would print differently.
const oddPayload = `{ "z": 1.0, "a": "<&> \u00e9", "n": 12345678901234567890.10, "payload":null }`

func TestMessageInKeepsThePayloadsBytes(t *testing.T) {
	t.Parallel()
	var in MessageIn
	if err := json.Unmarshal([]byte(`{"eventType":"a","payload":`+oddPayload+`}`), &in); err != nil {
		t.Fatal(err)
	}
	if string(in.Payload) != oddPayload {
		t.Errorf("payload = %s, want %s", in.Payload, oddPayload)
	}
}

func TestAnswerMessageKeepsThePayloadsBytes(t *testing.T) {
	t.Parallel()
	eventID := `"payload":null` // not a valid event id, but that does not matter here
	recorder := httptest.NewRecorder()
	answer := answerMessage(202, MessageOut{EventID: &eventID, Payload: json.RawMessage(oddPayload)})
	if err := answer.VisitMessageCreateResponse(recorder); err != nil {
		t.Fatal(err)
	}
	if recorder.Code != 202 || recorder.Header().Get("Content-Type") != "application/json" {
		t.Errorf("status %d, content type %q", recorder.Code, recorder.Header().Get("Content-Type"))
	}
	if !json.Valid(recorder.Body.Bytes()) || !strings.Contains(recorder.Body.String(), `"payload":`+oddPayload) {
		t.Errorf("body = %s", recorder.Body)
	}
}

func TestAnswerMessageShowsExpired(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", "not JSON", `{"a":1} {"b":2}`} {
		text, err := answerMessage(200, MessageOut{Payload: json.RawMessage(payload)}).encode()
		if err != nil || !strings.Contains(string(text), `"payload":{"expired":true}`) {
			t.Errorf("payload %q: %s, %v", payload, text, err)
		}
	}
}

func TestAnswerMessageListKeepsThePayloadsInOrder(t *testing.T) {
	t.Parallel()
	page := ListResponseMessageOut{Done: true}
	want := []string{`{"n": 1}`, oddPayload, `{"n": 3}`}
	for _, payload := range want {
		page.Data = append(page.Data, MessageOut{Payload: json.RawMessage(payload)})
	}
	text, err := answerMessageList(page).encode()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data []struct{ Payload json.RawMessage }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, message := range answer.Data {
		got = append(got, string(message.Payload))
	}
	if !slices.Equal(got, want) {
		t.Errorf("payloads = %s, want %s", got, want)
	}
}
