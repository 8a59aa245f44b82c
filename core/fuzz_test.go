package core

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var fuzzNow = time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)

// FuzzPage reads pages with any limit and iterator from any list. For every page, its query of the store is bounded
// and valid, and the page before the next one is the page itself.
func FuzzPage(f *testing.F) {
	f.Add(2, "", false, "a,b,c,d,e")
	f.Add(2, "b", false, "a,b,c,d,e")
	f.Add(2, "-d", true, "a,b,c,d,e")
	f.Add(0, "-", false, "a")
	f.Add(251, "\x00", true, "")
	f.Add(-1, "\uFFFD", true, "\x7f,~")
	f.Add(1, "~LWE", true, "-a,--,~,a b")
	f.Fuzz(func(t *testing.T, limit int, iterator string, descending bool, rows string) {
		p, err := NewEventTypePage(PageIn{Limit: &limit, Iterator: iterator, Descending: descending})
		wantPage(t, p, err)
		k := slices.DeleteFunc(strings.Split(rows, ","), func(key string) bool {
			return key == "" || key >= lastKey || !utf8.ValidString(key) || strings.ContainsAny(key, "\x00\uFFFD")
		})
		slices.Sort(k)
		if err == nil && limit > 0 {
			wantWayBack(t, slices.Compact(k), func(iterator string) (Page, error) {
				return NewEventTypePage(PageIn{Limit: &limit, Iterator: iterator, Descending: descending})
			}, EventTypeIterator, iterator)
		}
	})
}

// FuzzTimedPage is FuzzPage for messages and attempts, with any bounds in time.
func FuzzTimedPage(f *testing.F) {
	first := string(NewMessageID(fuzzNow))
	f.Add(2, "", int64(0), int64(0), 0)
	f.Add(2, first, int64(0), fuzzNow.Unix(), 1)
	f.Add(2, "-"+first, fuzzNow.Unix(), int64(-1<<62), 2)
	f.Add(2, "msg_aWgEPTl1tmebfsQzFP4bxwgy80V", int64(1<<62), fuzzNow.Unix(), 3)
	f.Add(250, "-atmpt_000000000000000000000000000", int64(-62167219200), int64(253402300800), 3)
	f.Fuzz(func(t *testing.T, limit int, iterator string, before, after int64, given int) {
		in := TimedPageIn{Limit: &limit, Iterator: iterator}
		if given&1 != 0 {
			in.After = new(time.Unix(after, after))
		}
		if given&2 != 0 {
			in.Before = new(time.Unix(before, before))
		}
		p, err := NewMessagePage(in, fuzzNow)
		wantPage(t, p, err)
		_, err = NewAttemptPage(in, fuzzNow)
		wantPage(t, p, err)
		if limit <= 0 || limit > pageLimitMost || given&3 != 0 {
			return
		}
		var k keys // within one month, so that all are in the window of each
		for i := range int64(10) {
			k = append(k, firstID(messagePrefix, fuzzNow.Add(-time.Duration(i)*3*24*time.Hour)))
		}
		slices.Sort(k)
		wantWayBack(t, k, func(iterator string) (Page, error) {
			return NewMessagePage(TimedPageIn{Limit: &limit, Iterator: iterator}, fuzzNow)
		}, func(id string) string { return id }, "")
	})
}

// wantPage checks that a page can be queried from a store, or is rejected as the client's mistake.
func wantPage(t *testing.T, p Page, err error) {
	t.Helper()
	if err != nil {
		if !IsKind(err, KindInvalid) {
			t.Errorf("refused with %v", err)
		}
		return
	}
	if p.Limit < 0 || p.Limit > pageLimitMost || strings.ContainsRune(p.After+p.Before, 0) || p.Before > lastKey {
		t.Errorf("page %+v", p)
	}
}

// wantWayBack checks that the page before the next page is the original page.
func wantWayBack(t *testing.T, k keys, read func(iterator string) (Page, error), iteratorOf func(key string) string, iterator string) {
	t.Helper()
	at := func(iterator string) []string {
		p, err := read(iterator)
		if err != nil {
			t.Fatalf("iterator %q: %v", iterator, err)
		}
		l, err := list(p, k.read)
		if err != nil {
			t.Fatal(err)
		}
		return l.Data
	}
	page := at(iterator)
	if len(page) == 0 {
		return
	}
	next := at(iteratorOf(page[len(page)-1]))
	if len(next) == 0 {
		return
	}
	back := at("-" + iteratorOf(next[0]))
	if !strings.HasPrefix(iterator, "-") && !slices.Equal(back, page) {
		t.Errorf("after %q come %q; before those %q", page, next, back)
	}
}

// FuzzID reads any text as an id: a valid id is written back unchanged, and ids sort in the order of their times.
func FuzzID(f *testing.F) {
	f.Add("msg_000000000000000000000000000", int64(0))
	f.Add("msg_aWgEPTl1tmebfsQzFP4bxwgy80V", int64(1<<32+ksuidEpoch))
	f.Add("msg_aWgEPTl1tmebfsQzFP4bxwgy80W", int64(-1)) // one more than 160 bits can hold
	f.Add("msg_", fuzzNow.UnixMilli())
	f.Fuzz(func(t *testing.T, text string, milliseconds int64) {
		at := time.UnixMilli(milliseconds)
		if id := NewMessageID(at); id <= MessageIDAt(at.Add(-4*time.Millisecond)) && milliseconds > ksuidEpoch*1000+4 {
			t.Errorf("the id of %s is %s, before those of earlier", at, id)
		}
		made, err := MessageID(text).Time()
		if err != nil {
			return
		}
		tail := strings.TrimPrefix(text, messagePrefix)
		if k, ok := decode62(tail); !ok || encode62(k) != tail {
			t.Errorf("%s is read and written as %s", text, encode62(k))
		}
		// Ids made by others may count up to 255 steps of 4 ms in a second of 250.
		if first := MessageIDAt(made.Add(-6 * 4 * time.Millisecond)); string(first) > text {
			t.Errorf("%s is of %s, and the least of before that is %s", text, made, first)
		}
	})
}

// FuzzSecret reads any text as a secret: the text form of a valid secret reads as the same secret.
func FuzzSecret(f *testing.F) {
	f.Add("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	f.Add("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\r\n")
	f.Add("whsec_whsec_")
	f.Add("whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==")
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := ParseSecret(text, "secret")
		if err != nil {
			return
		}
		again, err := ParseSecret(secret.written(), "secret")
		if err != nil || again.signs != secret.signs || !bytes.Equal(again.key, secret.key) {
			t.Errorf("%q is written as %q, which is read as %x, %v", text, secret.written(), again.key, err)
		}
	})
}

// FuzzEndpoint creates an endpoint with any URL, header and metadata: an accepted endpoint can be stored and called,
// and its URL is in normal form.
func FuzzEndpoint(f *testing.F) {
	for _, address := range []string{
		"https://n.example", "HTTP://User:P%40ss@N.Example:8080/a%2Fb/../c?d=%zz&e#f", "http://[::1]:80", "http://[fe80::1%25eth0]/",
		"http://%c3%a9.example/", "http://\u0130.example/", "http://h?", "http://h:/", "http:///", "//h/", "http://h/\x7f", "http://h/ ",
		"http:h", "http://h//a", "http://h/%", "http://h/é?é", "http://%ff/", "http://h/;a=b|c\\d\"e",
	} {
		f.Add(address, "x-mine", "1", "k", "v")
	}
	f.Add("http://h/", "X-Mine ", "a\tb", "", "\x00")
	f.Add("http://h/", "é", "\u0085\ufffd", "\"", "<>&\u2028")
	f.Fuzz(func(t *testing.T, address, name, value, key, note string) {
		if !utf8.ValidString(address + name + value + key + note) {
			return // no body contains such text
		}
		in := EndpointIn{URL: address, Version: 1, Headers: Headers{name: value}, Metadata: Metadata{key: note}}
		if (EndpointRules{}).validate(&in, "") != nil {
			return
		}
		wantURL(t, address, in.URL)
		r, err := http.NewRequest(http.MethodPost, in.URL, nil)
		if err != nil {
			t.Fatalf("to %q, made of %q, no request can be made: %v", in.URL, address, err)
		}
		r.Header.Set(name, value)
		wantSendable(t, r, name, value)
		if strings.ContainsRune(in.URL+name+value+key+note, 0) {
			t.Errorf("%+v holds a NUL", in)
		}
	})
}

func wantURL(t *testing.T, given, normal string) {
	t.Helper()
	again := EndpointIn{URL: normal, Version: 1}
	if err := (EndpointRules{}).validate(&again, ""); err != nil || again.URL != normal {
		t.Errorf("%q becomes %q, and that %q, %v", given, normal, again.URL, err)
	}
	if u, err := url.Parse(normal); err != nil || u.Host != strings.ToLower(u.Host) || u.Path == "" || !utf8.ValidString(normal) {
		t.Errorf("%q becomes %q, %v", given, normal, err)
	}
}

// wantSendable checks that a header arrives as it was set, and adds no other header.
func wantSendable(t *testing.T, r *http.Request, name, value string) {
	t.Helper()
	var sent bytes.Buffer
	if err := r.Header.Write(&sent); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(sent.String(), "\n"); lines != 1 {
		t.Errorf("header %q: %q is sent as %q", name, value, sent.String())
	}
}

// FuzzSchemaExample looks for an example in any schemas: the example it finds is JSON.
func FuzzSchemaExample(f *testing.F) {
	f.Add(`{"1":{"examples":[{"n": 1},{"n": 2}]}}`, 1)
	f.Add(`{"1":{"examples":"x"},"2":null}`, -1)
	f.Add(`{"-1":{"examples":[1]},"99999999999999999999":{"Examples":[null]}}`, 0)
	f.Fuzz(func(t *testing.T, schemas string, index int) {
		if example := schemaExample(json.RawMessage(schemas), index); example != nil && !json.Valid(example) {
			t.Errorf("%q has the example %q", schemas, example)
		}
	})
}
