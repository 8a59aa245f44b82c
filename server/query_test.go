package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

func TestCanonicalQuery(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, raw, want string }{
		{"empty", "", ""},
		{"canonical", "event_types=a%2Cb", "event_types=a%2Cb"},
		{"commas", "event_types=a,b", "event_types=a%2Cb"},
		{"repeated", "event_types=a&event_types=b", "event_types=a%2Cb"},
		{"brackets", "event_types[]=a&event_types[]=b", "event_types=a%2Cb"},
		{"escaped brackets", "event_types%5B%5D=a", "event_types=a"},
		{"indexes", "event_types[0]=a&event_types[1]=b", "event_types=a%2Cb"},
		{"all at once", "event_types=a,b&event_types=c&event_types[]=d&event_types[7]=e", "event_types=a%2Cb%2Cc%2Ce%2Cd"},
		{"empty items", "event_types=,a,,", "event_types=a"},
		{"nothing but empty items", "event_types=&limit=1", "limit=1"},
		{"not an index", "event_types[x]=a", "event_types%5Bx%5D=a"},
		{"not a list", "limit=1&limit=2&limit[]=3", "limit=1&limit=2&limit%5B%5D=3"},
		{"others stay", "iterator=-msg_1&before=09:30%2B02:00", "before=09%3A30%2B02%3A00&iterator=-msg_1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := canonicalQuery(test.raw)
			if err != nil || got != test.want {
				t.Errorf("canonicalQuery(%q) = %q, %v; want %q", test.raw, got, err, test.want)
			}
		})
	}
}

func TestCanonicalQueryRefusesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"limit=%zz", "limit=1;order=ascending"} {
		if got, err := canonicalQuery(raw); err == nil {
			t.Errorf("canonicalQuery(%q) = %q, want an error", raw, got)
		}
	}
}

func TestArrayParametersAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	var lists []string
	for _, op := range operations(t) {
		for _, p := range op.Parameters {
			if p.In == "query" && p.Schema.Type == "array" && !slices.Contains(lists, p.Name) {
				lists = append(lists, p.Name)
			}
		}
	}
	slices.Sort(lists)
	if !slices.Equal(lists, arrayParameters) {
		t.Errorf("lists of the contract = %q, arrayParameters = %q", lists, arrayParameters)
	}
}

// A queryRecorder keeps the parameters of MessageList. Every other operation panics.
type queryRecorder struct {
	StrictServerInterface
	params MessageListParams
}

func (q *queryRecorder) MessageList(
	_ context.Context, request MessageListRequestObject,
) (MessageListResponseObject, error) {
	q.params = request.Params
	return answerMessageList(ListResponseMessageOut{}), nil
}

// listMessages sends a query through the generated binding, and returns what the handler got or the
// error that the binding reported.
func listMessages(t *testing.T, raw string) (MessageListParams, error) {
	t.Helper()
	query, err := canonicalQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	recorder := &queryRecorder{}
	var bindError error
	handler := HandlerWithOptions(NewStrictHandlerWithOptions(recorder, nil, StrictHTTPServerOptions{}), StdHTTPServerOptions{
		ErrorHandlerFunc: func(_ http.ResponseWriter, _ *http.Request, err error) { bindError = err },
	})
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/v1/app/app/msg?"+query, nil))
	return recorder.params, bindError
}

func TestQueryReachesTheHandler(t *testing.T) {
	t.Parallel()
	const query = "event_types[]=a&event_types=b,c&limit=7&with_content=false&before=2026-01-31%2009:30:00%20UTC"
	params, err := listMessages(t, query)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"b", "c", "a"}; !slices.Equal(params.EventTypes, want) {
		t.Errorf("event_types = %q, want %q", params.EventTypes, want)
	}
	if params.Limit == nil || *params.Limit != 7 || params.WithContent == nil || *params.WithContent {
		t.Errorf("limit = %v, with_content = %v", params.Limit, params.WithContent)
	}
	if params.Before == nil || *params.Before != "2026-01-31 09:30:00 UTC" || params.After != nil {
		t.Errorf("before = %v, after = %v", params.Before, params.After)
	}
}

func TestQueryThatDoesNotParseIsReportedByName(t *testing.T) {
	t.Parallel()
	for raw, name := range map[string]string{
		"limit=many":                        "limit",
		"limit=99999999999999999999":        "limit",
		"limit=":                            "limit",
		"limit=1&limit=2":                   "limit",
		"with_content=perhaps&event_types=": "with_content",
	} {
		_, err := listMessages(t, raw)
		var invalid *InvalidParamFormatError
		if !errors.As(err, &invalid) || invalid.ParamName != name {
			t.Errorf("%s: %v, want an InvalidParamFormatError for %s", raw, err, name)
		}
	}
}

// Two values that form a valid character only when concatenated were accepted as text. Postgres rejected the first
// one, and the client got a 500.
func TestEachValueOfAQueryMustBeText(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"event_types=%DB&event_types=%BC", "x=%DB&x=%BC", "x=%00"} {
		if query, err := canonicalQuery(raw); err == nil {
			t.Errorf("%s was taken as %s", raw, query)
		}
	}
}
