package server

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// lookedPage is the part of a page that a client of any list uses.
type lookedPage struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
	Iterator     *string `json:"iterator"`
	PrevIterator *string `json:"prevIterator"`
	Done         bool    `json:"done"`
}

// The client continues until done is true, as the SDKs do. Pages before the last one may be short or even empty.
func TestListsThatEndEarlyLeadOnUntilTheyAreDone(t *testing.T) {
	t.Parallel()
	const n = 21
	f := newFixture(t)
	f.store.messages, f.store.attempts = nil, nil
	var messages, attempts []string
	app, endpoint := f.store.apps[0].ID, f.store.endpoints[0].ID
	for i := range n {
		at := testNow.Add(time.Duration(i-n) * time.Minute)
		m, a := core.NewMessageID(at), core.NewAttemptID(at)
		f.store.messages = append(f.store.messages, core.Message{AppID: app, ID: m, EventType: "a", CreatedAt: at, ExpiresAt: testNow.Add(time.Hour)})
		f.store.attempts = append(f.store.attempts, core.Attempt{AppID: app, ID: a, MessageID: m, EndpointID: endpoint, CreatedAt: at})
		messages, attempts = append(messages, string(m)), append(attempts, string(a))
	}
	for id, all := range map[string][]string{"MessageList": messages, "AttemptListByEndpoint": attempts, "AttemptedMessageList": messages} {
		op, path := operationByID(t, id), rows[id][0].path
		for _, looks := range []int{1, 2, 5, n, n + 1} {
			f.store.looks = looks
			seen, iterator := []string{}, ""
			for pages := 0; ; pages++ {
				w := f.call(t, op, row{path: path + "?limit=2" + iterator, status: 200}, f.token(t, "org_a"))
				var page lookedPage
				if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
					t.Fatal(err)
				}
				for _, item := range page.Data {
					seen = append(seen, item.ID)
				}
				if page.Done {
					break
				}
				if page.Iterator == nil || pages > 2*n {
					t.Fatalf("%s, page %d leads nowhere: %s", id, pages, w.Body)
				}
				iterator = "&iterator=" + *page.Iterator
			}
			newestFirst := func(a, b string) int { return strings.Compare(b, a) }
			if len(seen) == 0 != (looks == 1) || !slices.IsSortedFunc(seen, newestFirst) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
				t.Errorf("%s, %d looked at for a page: %v of %v", id, looks, seen, all)
			}
		}
	}
}

// A page that is read backwards from an instant has iterators for both directions, even if it has no items.
func TestAnEmptyPageThatIsReadBackwardsLeadsOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.messages, f.store.looks = nil, 1 // no row matches
	for i := range 3 {
		at := testNow.Add(time.Duration(i-3) * time.Minute)
		f.store.messages = append(f.store.messages, core.Message{AppID: f.store.apps[0].ID, ID: core.NewMessageID(at), EventType: "a", CreatedAt: at, ExpiresAt: testNow.Add(time.Hour)})
	}
	after := testNow.Add(-time.Hour).UTC().Format(time.RFC3339)
	w := f.call(t, operationByID(t, "MessageList"), row{path: rows["MessageList"][0].path + "?after=" + after, status: 200}, f.token(t, "org_a"))
	var page lookedPage
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	oldest := string(f.store.messages[0].ID)
	if len(page.Data) != 0 || page.Done || page.Iterator == nil || *page.Iterator != oldest || page.PrevIterator == nil || *page.PrevIterator != "-"+oldest {
		t.Errorf("the page is %s", w.Body)
	}
}
