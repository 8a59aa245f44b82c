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

func TestSchemaExampleIsOfVersionOneOrTheGreatest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, schemas string
		index         int
		want          string
	}{
		{"no schemas", ``, 0, ""},
		{"null", `null`, 0, ""},
		{"no examples", `{"1":{}}`, 0, ""},
		{"empty examples", `{"1":{"examples":[]}}`, 0, ""},
		{"the first, as it is written", `{"1":{"examples":[{"b": 1.0,"a":2},{}]}}`, 0, `{"b": 1.0,"a":2}`},
		{"another", `{"1":{"examples":[{},{"a":1}]}}`, 1, `{"a":1}`},
		{"more than there are", `{"1":{"examples":[{"a":1}]}}`, 7, `{"a":1}`},
		{"less than none", `{"1":{"examples":[{"a":1}]}}`, -1, `{"a":1}`},
		{"version 1 before greater ones", `{"2":{"examples":[2]},"1":{"examples":[1]}}`, 0, "1"},
		{"nor does a greater one help out", `{"2":{"examples":[2]},"1":{}}`, 0, ""},
		{"the greatest by number", `{"9":{"examples":[9]},"10":{"examples":[10]},"x":{"examples":[0]}}`, 0, "10"},
		{"a word", `{"a":{"examples":[1]},"b":{"examples":[2]}}`, 0, "2"},
		{"examples that are no array", `{"1":{"examples":"x"},"2":{"examples":[2]}}`, 0, ""},
		{"the others, if one of them has such", `{"3":{"examples":[3]},"2":{"examples":"x"}}`, 0, "3"},
	} {
		if got := schemaExample([]byte(test.schemas), test.index); string(got) != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
