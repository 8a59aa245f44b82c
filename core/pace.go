package core

import "time"

// Pace keeps attempts to a rate, across all processes: what it knows is one time, which is kept in the
// database and changed under a lock. Each attempt moves that time ahead by its share of a second. The
// zero value has no rate, and allows everything.
type Pace struct {
	Rate  int32     // attempts per second
	Until time.Time // when the next may begin if every one before it took its time
}

// paceBurst is how much of what was not used may be made up for. In any period there are at most as many
// attempts as the rate allows for that period and this together, and one more.
const paceBurst = 100 * time.Millisecond

// Allowed is how many attempts may begin now, and no more than most.
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

// Taken is the pace after so many attempts have begun.
func (p Pace) Taken(now time.Time, attempts int) Pace {
	if p.Rate == 0 || attempts == 0 {
		return p
	}
	// To the microsecond, as Postgres keeps it; a fraction more and never less.
	share := (int64(attempts)*int64(time.Second) + int64(p.Rate) - 1) / int64(p.Rate)
	p.Until = p.from(now).Add(time.Duration(share)).Add(time.Microsecond - 1).Truncate(time.Microsecond)
	return p
}

// from is Until, or as long ago as may be made up for.
func (p Pace) from(now time.Time) time.Time {
	if earliest := now.Add(-paceBurst); p.Until.Before(earliest) {
		return earliest
	}
	return p.Until
}
