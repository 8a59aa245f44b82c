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
