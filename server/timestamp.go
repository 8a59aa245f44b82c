package server

import "time"

// A Timestamp is a time as the API prints it: RFC 3339 in UTC with a Z and always six decimals. time.Time would keep
// its zone and drop trailing zeros, and clients compare these strings. Digits beyond the microsecond are cut off;
// Postgres does not store them either.
type Timestamp time.Time

// MarshalJSON implements [encoding/json.Marshaler].
func (t Timestamp) MarshalJSON() ([]byte, error) {
	const layout = `"2006-01-02T15:04:05.000000Z"`
	return time.Time(t).UTC().AppendFormat(make([]byte, 0, len(layout)), layout), nil
}

func timestampOut(at *time.Time) *Timestamp { return (*Timestamp)(at) }
