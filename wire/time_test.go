package wire

import (
	"encoding/json"
	"testing"
	"time"
)

func TestReadTime(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	micro := second.Add(123_456 * time.Microsecond)
	tests := []struct {
		text string
		want time.Time
	}{
		{"2026-01-31T09:30:00Z", second},
		{"2026-01-31T09:30:00.123456Z", micro},
		{"2026-01-31T09:30:00.1Z", second.Add(100 * time.Millisecond)},
		{"2026-01-31T09:30:00.123456000000Z", micro},
		{"2026-01-31T11:30:00+02:00", second},
		{"2026-01-31T11:30:00 02:00", second}, // a + that was not escaped
		{"2026-01-31T04:30:00-05:00", second},
		{"2026-01-31t09:30:00z", second},
		{"2026-01-31 09:30:00.123456 UTC", micro},
		{"2026-01-31 09:30:00.123456 +00:00", micro},
		{"2026-01-31 09:30:00", second},
		{"2026-01-31T09:30:00", second},
		{"2026-01-31T09:30", second},
		{" 2026-01-31 ", second.Truncate(24 * time.Hour)},
		{"2026-01-31 UTC", second.Truncate(24 * time.Hour)},
	}
	for _, test := range tests {
		got, err := ReadTime(&test.text, "before")
		if err != nil || !got.Equal(test.want) {
			t.Errorf("%q = %v, %v; want %s", test.text, got, err, test.want)
		}
	}
	for _, none := range []*string{nil, new("")} {
		if got, err := ReadTime(none, "before"); got != nil || err != nil {
			t.Errorf("no time = %v, %v", got, err)
		}
	}
}

func TestReadTimeRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"yesterday", "2026", "1769851800", "2026-02-30", "2026-01-31T25:00:00Z", "09:30:00", " ", "2026-01-31T09:30:00 CET",
		"2026-01-31 09:30:00 UTC UTC", "2026-01-31T09:30:00+02:00+02:00",
	} {
		if got, err := ReadTime(&text, "before"); err == nil {
			t.Errorf("%q = %s, want an error", text, got)
		}
	}
}

// A time in the year -1 or 10000 in UTC was accepted, but could not be stored, and the response was a 500.
func TestTimesThatTheirZonePutsOutOfTheCalendarAreItsEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0000-01-01T00:00:00+23:59": `"0000-01-01T00:00:00Z"`,
		"9999-12-31T23:59:59-00:01": `"9999-12-31T23:59:59.999999999Z"`,
		"9999-12-31T23:59:59+00:01": `"9999-12-31T23:58:59Z"`,
	} {
		at, err := ReadTime(&text, "before")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(at); err != nil || string(got) != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
}

// FuzzTime parses any text as a time: the printed form of a parsed time parses as the same time.
func FuzzTime(f *testing.F) {
	for _, text := range []string{
		"2026-01-31T09:30:00.5+02:00", "2026-01-31 09:30:00.123456 UTC", "2026-01-31 09:30:00 02:00", "2026-01-31", "2026-01-31Z", "0000-01-01T00:00:00+23:59",
		"9999-12-31T23:59:59-23:59", "10000-01-01", "2016-12-31T23:59:60Z", " ", "T", "+", "2026-01-31t09:30z", "\u00a02026-01-31\u2028-02:00",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ReadTime(&text, "query", "after")
		if err != nil || at == nil {
			return
		}
		if _, err := json.Marshal(at.UTC()); err != nil {
			t.Errorf("%q is a time that cannot be stored: %v", text, err)
		}
		printed := at.Format(time.RFC3339Nano)
		if again, err := ReadTime(&printed, "query", "after"); err != nil || !again.Equal(*at) {
			t.Errorf("%q is %s, which is read as %v, %v", text, printed, again, err)
		}
	})
}
