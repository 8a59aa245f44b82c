package core

import (
	"testing"
	"time"
)

func TestPartitionsFollowEachOther(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 23, 59, 59, 0, time.FixedZone("", -5*3600)) // a Monday in UTC
	p := MessagePartition(at)
	if p.Suffix != "20261123" {
		t.Errorf("%s is in the week of %s", at, p.Suffix)
	}
	if id := string(NewMessageID(at)); id < p.From || id >= p.To {
		t.Errorf("%s is not between %s and %s", id, p.From, p.To)
	}
	list := PartitionsAround(at)
	for i := 2; i < len(list); i++ {
		if list[i].Table != list[i-2].Table || list[i].From != list[i-2].To {
			t.Errorf("%+v does not follow %+v", list[i], list[i-2])
		}
	}
}
