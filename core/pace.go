package core

import "time"

// Pace limits attempts to a rate across all processes. Its whole state is one time, which is kept in the database
// and changed under a lock. Each attempt moves that time ahead by its share of a second. The zero value has no rate
// and allows everything.
type Pace struct {
	Rate  int32     // attempts per second
	Until time.Time // when the next attempt may begin if all earlier ones were spaced by the rate
}

// paceBurst is how much unused time may be made up for. In any period there are at most as many attempts as the rate
// allows for that period plus paceBurst, and one more.
const paceBurst = 100 * time.Millisecond

// Allowed returns how many attempts may begin now, up to most.
func (p Pace) Allowed(now time.Time, most int) int {
	if p.Rate == 0 {
		return most
	}
	free := now.Sub(p.from(now))
	if free < 0 {
		return 0
	}
	return min(most, int(int64(free)*int64(p.Rate)/int64(time.Second))+1)
}

// Taken returns the pace after that many attempts have begun.
func (p Pace) Taken(now time.Time, attempts int) Pace {
	if p.Rate == 0 || attempts == 0 {
		return p
	}
	// Rounded up to the microsecond, the precision of Postgres, so that the rate is never exceeded.
	share := (int64(attempts)*int64(time.Second) + int64(p.Rate) - 1) / int64(p.Rate)
	p.Until = p.from(now).Add(time.Duration(share)).Add(time.Microsecond - 1).Truncate(time.Microsecond)
	return p
}

// from returns Until, or the earliest time that may be made up for if that is later.
func (p Pace) from(now time.Time) time.Time {
	if earliest := now.Add(-paceBurst); p.Until.Before(earliest) {
		return earliest
	}
	return p.Until
}
