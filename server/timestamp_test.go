package server

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTimestampPrintsMicrosecondsInUTC(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("", 2*60*60)
	tests := []struct {
		time time.Time
		want string
	}{
		{time.Date(2026, 1, 31, 9, 30, 0, 123_456_000, time.UTC), `"2026-01-31T09:30:00.123456Z"`},
		{time.Date(2026, 1, 31, 9, 30, 0, 120_000_000, time.UTC), `"2026-01-31T09:30:00.120000Z"`},
		{time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC), `"2026-01-31T09:30:00.000000Z"`},
		{time.Date(2026, 1, 31, 9, 30, 0, 999_999_999, time.UTC), `"2026-01-31T09:30:00.999999Z"`},
		{time.Date(2026, 1, 31, 1, 30, 0, 0, east), `"2026-01-30T23:30:00.000000Z"`},
	}
	for _, test := range tests {
		got, err := json.Marshal(Timestamp(test.time))
		if err != nil || string(got) != test.want {
			t.Errorf("%s = %s, %v; want %s", test.time, got, err, test.want)
		}
	}
}

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
		got, err := readTime(&test.text, "before")
		if err != nil || !got.Equal(test.want) {
			t.Errorf("%q = %v, %v; want %s", test.text, got, err, test.want)
		}
	}
	for _, none := range []*string{nil, new("")} {
		if got, err := readTime(none, "before"); got != nil || err != nil {
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
		if got, err := readTime(&text, "before"); err == nil {
			t.Errorf("%q = %s, want an error", text, got)
		}
	}
}

// A time in the year -1 or 10000 of UTC was taken as it is, and could not be stored: 500.
func TestTimesThatTheirZonePutsOutOfTheCalendarAreItsEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0000-01-01T00:00:00+23:59": `"0000-01-01T00:00:00Z"`,
		"9999-12-31T23:59:59-00:01": `"9999-12-31T23:59:59.999999999Z"`,
		"9999-12-31T23:59:59+00:01": `"9999-12-31T23:58:59Z"`,
	} {
		at, err := readTime(&text, "before")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(at); err != nil || string(got) != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
}
