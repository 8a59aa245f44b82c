package wire

import (
	"strings"
	"time"

	"github.com/postrider/postrider/core"
)

// timeLayouts are the formats in which clients send times, after joinTime has removed the spaces. Fractions of a
// second are accepted whether or not a layout has them.
var timeLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02Z07:00", "2006-01-02",
}

// ReadTime parses a time from a client, such as 2026-01-31T09:30:00.5+02:00, 2026-01-31 09:30:00 UTC or 2026-01-31.
// Without a zone it is in UTC.
func ReadTime(text *string, loc ...string) (*time.Time, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	joined := joinTime(*text)
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, joined); err == nil {
			return new(inCalendar(at)), nil
		}
	}
	return nil, noTime(loc...)
}

// BodyTime is ReadTime for a field of a body. An empty text is not a valid time there.
func BodyTime(text *string, name string) (*time.Time, error) {
	if text == nil {
		return nil, nil
	}
	at, err := ReadTime(text, "body", name)
	if err != nil || at == nil {
		return nil, noTime("body", name)
	}
	return at, nil
}

func noTime(loc ...string) *core.Error {
	return core.Invalid("The time cannot be read; write it in RFC 3339, such as 2026-01-31T09:30:00Z", loc...)
}

// inCalendar returns the time in UTC. Its zone may put it into the year before 0 or after 9999, which JSON cannot
// represent; then inCalendar returns the first or the last possible instant, which means the same to a client that
// sends such times.
func inCalendar(at time.Time) time.Time {
	at = at.UTC()
	switch year := at.Year(); {
	case year < 0:
		return time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case year > 9999:
		return time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	}
	return at
}

// joinTime joins a date, a time of day and a zone into one word. An unescaped + arrives as a space, so a third part
// without a sign is an offset to the east.
func joinTime(text string) string {
	var joined string
	for i, part := range strings.Fields(strings.ToUpper(text)) {
		switch {
		case i == 0, part[0] == '+', part[0] == '-':
			joined += part
		case part == "UTC", part == "Z":
			joined += "Z"
		case strings.Contains(joined, "T"):
			joined += "+" + part
		default:
			joined += "T" + part
		}
	}
	return joined
}
