package core

// Part returns how much one customer may have of something that several share, if left of the whole is unused. It is
// the whole while more than a quarter is left, then a sixteenth of it, and a single unit of the last eighth. A
// customer may take more while it has less than its part. So a single customer can use most of the whole, and others
// always find some left.
//
// The part stays the same until only least is left.
func Part(left, whole int) (part, least int) {
	switch {
	case left > whole/4:
		return whole, whole / 4
	case left > whole/8:
		return max(1, whole/16), whole / 8
	}
	return 1, 0
}

// Shares tracks how much each customer has of a shared resource, such as bytes of memory. It is not safe for
// concurrent use.
type Shares[K comparable] struct {
	whole, used int
	taken       map[K]int
}

// NewShares returns the shares of a whole.
func NewShares[K comparable](whole int) *Shares[K] {
	return &Shares[K]{whole: whole, taken: map[K]int{}}
}

// Take takes n for a customer and reports whether that was allowed: see [Part]. The last taker may exceed the whole,
// so that something large need not wait until that much is free at once.
func (s *Shares[K]) Take(customer K, n int) bool {
	left := s.whole - s.used
	part, _ := Part(left, s.whole)
	if left <= 0 || s.taken[customer] >= part {
		return false
	}
	s.used += n
	s.taken[customer] += n
	return true
}

// Give returns n of what a customer took.
func (s *Shares[K]) Give(customer K, n int) {
	s.used -= n
	if s.taken[customer] -= n; s.taken[customer] <= 0 {
		delete(s.taken, customer)
	}
}
