package core

import "testing"

func TestPartShrinksAsLessIsLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ left, whole, part, least int }{
		{512, 512, 512, 128},
		{129, 512, 512, 128},
		{128, 512, 32, 64},
		{65, 512, 32, 64},
		{64, 512, 1, 0},
		{0, 512, 1, 0},
		{1, 1, 1, 0},
		{4, 8, 8, 2},
		{2, 8, 1, 1},
	} {
		if part, least := Part(c.left, c.whole); part != c.part || least != c.least {
			t.Errorf("Part(%d, %d) is %d and %d, want %d and %d", c.left, c.whole, part, least, c.part, c.least)
		}
	}
}

func TestSharesLeaveSomeForOthers(t *testing.T) {
	t.Parallel()
	s := NewShares[string](64)
	taken := 0
	for s.Take("greedy", 4) {
		taken += 4
	}
	if taken != 48 {
		t.Errorf("one customer took %d of 64, want three quarters", taken)
	}
	for _, other := range []string{"a", "b", "c", "d"} {
		if !s.Take(other, 4) {
			t.Errorf("nothing was left for %s", other)
		}
	}
	if s.Take("e", 1) {
		t.Error("more was taken than there is")
	}
	s.Give("greedy", 48)
	if !s.Take("e", 100) {
		t.Error("something larger than the whole can never be taken")
	}
	if s.Take("f", 1) {
		t.Error("more was taken while the whole is exceeded")
	}
	s.Give("e", 100)
	for _, other := range []string{"a", "b", "c", "d"} {
		s.Give(other, 4)
	}
	if s.used != 0 || len(s.taken) != 0 {
		t.Errorf("after everything was given back, %d are used by %v", s.used, s.taken)
	}
}
