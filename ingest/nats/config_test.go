package nats

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/ingest"
)

func valid() Config {
	return Config{
		URLs: []string{"nats://localhost:4222"}, Stream: "ORDERS", Consumer: "postrider", DeadLetterSubject: "dead.orders",
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	creds := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(creds, []byte("anything"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string // each is said; none: it is well
	}{
		"well":             {func(*Config) {}, nil},
		"all of it":        {func(c *Config) { *c = Config{} }, []string{"urls:", "stream:", "consumer:", "dead_letter_subject:"}},
		"several servers":  {func(c *Config) { c.URLs = []string{"nats://a:4222", "tls://b:4222", "nats://[::1]:4222"} }, nil},
		"no scheme":        {func(c *Config) { c.URLs = append(c.URLs, "localhost:4222") }, []string{"urls: number 2"}},
		"other scheme":     {func(c *Config) { c.URLs = []string{"http://localhost"} }, []string{"urls: number 1"}},
		"two in one":       {func(c *Config) { c.URLs = []string{"nats://a:1,nats://b:1"} }, []string{"urls: number 1"}},
		"login in url":     {func(c *Config) { c.URLs = []string{"nats://me:hidden@a:1"} }, []string{"urls: number 1 has a login"}},
		"password in text": {func(c *Config) { c.URLs = []string{"nats://me:hid den@a:1"} }, []string{"urls: number 1"}},
		"stream":           {func(c *Config) { c.Stream = "OR.DERS" }, []string{"stream:"}},
		"consumer":         {func(c *Config) { c.Consumer = "a b" }, []string{"consumer:"}},
		"filters":          {func(c *Config) { c.Subjects = []string{"a.*.b", "c.>"} }, nil},
		"no filters":       {func(c *Config) { c.Subjects = []string{"", "a..b", ">.a", "a b"} }, []string{`subjects: ""`, `"a..b"`, `">.a"`, `"a b"`}},
		"dead pattern":     {func(c *Config) { c.DeadLetterSubject = "dead.*" }, []string{"dead_letter_subject:"}},
		"wait":             {func(c *Config) { c.AckWait = "90s" }, nil},
		"short wait":       {func(c *Config) { c.AckWait = "29s" }, []string{"ack_wait:", "30s"}},
		"long wait":        {func(c *Config) { c.AckWait = "2h" }, []string{"ack_wait:"}},
		"no wait":          {func(c *Config) { c.AckWait = "90" }, []string{"ack_wait:"}},
		"user":             {func(c *Config) { c.User, c.Password = "me", "hidden" }, nil},
		"user alone":       {func(c *Config) { c.User = "me" }, []string{"user and password"}},
		"password alone":   {func(c *Config) { c.Password = "hidden" }, []string{"user and password"}},
		"two logins":       {func(c *Config) { c.User, c.Password, c.Token = "me", "hidden", "hidden" }, []string{"exclude each other"}},
		"credentials":      {func(c *Config) { c.CredsFile = creds }, nil},
		"no credentials":   {func(c *Config) { c.CredsFile = creds + "-not" }, []string{"creds_file:"}},
		"tls":              {func(c *Config) { c.TLS = &ingest.TLS{CAFile: creds} }, []string{"tls: ca_file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := valid()
			c.change(&config)
			_, err := New(config, slog.New(slog.DiscardHandler))
			if c.want == nil && err != nil {
				t.Error(err)
			}
			wantError(t, err, c.want...)
			if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "hid den")) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestAckWaitIsAMinuteByDefault(t *testing.T) {
	t.Parallel()
	s, err := New(valid(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if s.ackWait != time.Minute {
		t.Errorf("it is %s", s.ackWait)
	}
}

func TestConfigIsReadByItsNames(t *testing.T) {
	t.Parallel()
	const text = `{"urls": ["nats://a:1"], "stream": "S", "consumer": "c", "subjects": ["s"], "dead_letter_subject": "d",
		"ack_wait": "1m", "user": "u", "password": "p", "token": "t", "creds_file": "f", "tls": {"ca_file": "ca"}}`
	var c Config
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	want := Config{
		URLs: []string{"nats://a:1"}, Stream: "S", Consumer: "c", Subjects: []string{"s"}, DeadLetterSubject: "d",
		AckWait: "1m", User: "u", Password: "p", Token: "t", CredsFile: "f", TLS: &ingest.TLS{CAFile: "ca"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("read %+v, want %+v", c, want)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, subject string
		want            bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "a.c", false},
		{"a.b", "a", false},
		{"a", "a.b", false},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"*.b", "a.b", true},
		{"a.>", "a.b.c", true},
		{"a.>", "a", false},
		{">", "a", true},
	} {
		if got := matches(c.filter, c.subject); got != c.want {
			t.Errorf("%s takes %s: %t, want %t", c.filter, c.subject, got, c.want)
		}
	}
}
