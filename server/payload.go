package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/postrider/postrider/ijson"
)

// A messageAnswer answers with messages whose payloads are byte for byte as they were sent. Return it instead of
// MessageCreate202JSONResponse and similar generated types: those go through encoding/json, which removes white space
// from a RawMessage and escapes <, > and & in it.
type messageAnswer struct {
	status   int
	body     any
	payloads []json.RawMessage
	valid    bool // the payloads are known to be JSON
}

// answerMessage answers with one message. A payload that is nil or not a JSON object is shown as expired, because
// clients can read only objects there.
func answerMessage(status int, message MessageOut) messageAnswer {
	payload := message.Payload
	message.Payload = nil
	return messageAnswer{status: status, body: message, payloads: []json.RawMessage{payload}}
}

// answerMessages answers with a body that contains messages with these payloads, in the same order. It sets the
// payloads in the body to nil.
func answerMessages(status int, body any, places []*json.RawMessage) messageAnswer {
	payloads := make([]json.RawMessage, len(places))
	for i, payload := range places {
		payloads[i], *payload = *payload, nil
	}
	return messageAnswer{status: status, body: body, payloads: payloads}
}

// answerMessageList answers with a page of messages, like answerMessage for each.
func answerMessageList(page ListResponseMessageOut) messageAnswer {
	payloads := make([]*json.RawMessage, len(page.Data))
	for i := range page.Data {
		payloads[i] = &page.Data[i].Payload
	}
	return answerMessages(http.StatusOK, page, payloads)
}

func (a messageAnswer) VisitMessageCreateResponse(w http.ResponseWriter) error { return a.write(w) }
func (a messageAnswer) VisitMessageGetResponse(w http.ResponseWriter) error    { return a.write(w) }
func (a messageAnswer) VisitMessageListResponse(w http.ResponseWriter) error   { return a.write(w) }

func (a messageAnswer) VisitMessageCreateManyResponse(w http.ResponseWriter) error { return a.write(w) }

func (a messageAnswer) VisitMessageSendExampleResponse(w http.ResponseWriter) error {
	return a.write(w)
}

func (a messageAnswer) VisitAttemptedMessageListResponse(w http.ResponseWriter) error {
	return a.write(w)
}

func (a messageAnswer) write(w http.ResponseWriter) error {
	text, err := a.encode()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, err = w.Write(text)
	return err
}

// encode replaces each null that encoding/json wrote for a payload with the payload itself. The position is
// unambiguous: inside a JSON string the quotes of `"payload":null` would be escaped, and no other field has that
// name.
func (a messageAnswer) encode() ([]byte, error) {
	rest, err := json.Marshal(a.body)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", a.body, err)
	}
	size := len(rest)
	for _, payload := range a.payloads {
		size += len(payload)
	}
	out := make([]byte, 0, size)
	for _, payload := range a.payloads {
		before, after, found := bytes.Cut(rest, []byte(`"payload":null`))
		if !found {
			return nil, fmt.Errorf("encode %T: more payloads than places for them", a.body)
		}
		if !a.valid && (!bytes.HasPrefix(payload, []byte("{")) || !ijson.Valid(payload)) {
			payload = []byte(`{"expired":true}`)
		}
		out = append(out, before...)
		out = append(out, `"payload":`...)
		out = append(out, payload...)
		rest = after
	}
	return append(out, rest...), nil
}
