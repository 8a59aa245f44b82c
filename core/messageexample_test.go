package core

import "testing"

func TestSchemaExample(t *testing.T) {
	t.Parallel()
	const schemas = `{"2":{"examples":[{"v":2}]},"1":{"examples":[{"v": 1},{"v":10}]}}`
	for _, c := range []struct {
		schemas string
		index   int
		want    string
	}{
		{schemas, 0, `{"v": 1}`},
		{schemas, 1, `{"v":10}`},
		{schemas, 2, `{"v": 1}`},
		{schemas, -1, `{"v": 1}`},
		{`{"1":{"examples":[]}}`, 0, ""},
		{`{"1":{}}`, 0, ""},
		{`{"1":{"examples":"none"}}`, 0, ""},
		{``, 0, ""},
	} {
		if got := schemaExample([]byte(c.schemas), c.index); string(got) != c.want {
			t.Errorf("example %d of %s: %s, want %s", c.index, c.schemas, got, c.want)
		}
	}
}

func TestEndpointWants(t *testing.T) {
	t.Parallel()
	m := Message{EventType: "a", Channels: []string{"x", "y"}}
	for _, c := range []struct {
		e    Endpoint
		want bool
	}{
		{Endpoint{}, true},
		{Endpoint{Disabled: true}, false},
		{Endpoint{EventTypes: []string{"b", "a"}}, true},
		{Endpoint{EventTypes: []string{"b"}}, false},
		{Endpoint{Channels: []string{"y", "z"}}, true},
		{Endpoint{Channels: []string{"z"}}, false},
	} {
		if got := c.e.wants(m); got != c.want {
			t.Errorf("%+v: %t", c.e, got)
		}
	}
	if (Endpoint{Channels: []string{"x"}}).wants(Message{EventType: "a"}) {
		t.Error("an endpoint with channels wants a message without")
	}
}
