package main

import (
	"fmt"
	"slices"
	"testing"
)

func TestSpreadOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		figures []float64
		want    spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1}, spread{1, 2.5, 4}},
		{[]float64{9, 1, 5}, spread{1, 5, 9}},
		{[]float64{8, 2, 4, 6}, spread{2, 5, 8}},
	} {
		before := slices.Clone(c.figures)
		if got := spreadOf(c.figures); got != c.want {
			t.Errorf("spreadOf(%v) = %v, want %v", before, got, c.want)
		}
		if !slices.Equal(c.figures, before) {
			t.Errorf("spreadOf sorted its caller's figures: %v became %v", before, c.figures)
		}
	}
}

func testID(n int) string { return fmt.Sprintf("msg_%027d", n) }

func TestTallyAccountsForEveryID(t *testing.T) {
	t.Parallel()
	tally := newTally(0)
	for _, c := range []struct {
		id  string
		new bool
	}{
		{testID(1), true}, {testID(2), true}, {testID(1), false}, {testID(1), false},
		{"", false}, {"msg_short", false}, {testID(3) + "0", false}, {"atm_" + testID(3)[4:], false},
	} {
		if got := tally.add(c.id); got != c.new {
			t.Errorf("add(%q) = %t, want %t", c.id, got, c.new)
		}
	}
	if len(tally.seen) != 2 || tally.duplicates != 2 || tally.unreadable != 4 {
		t.Errorf("%d seen, %d duplicates, %d unreadable; want 2, 2, 4", len(tally.seen), tally.duplicates, tally.unreadable)
	}
	got := tally.missing([]string{testID(1), testID(3), testID(2), "msg_short"})
	if want := []string{testID(3), "msg_short"}; !slices.Equal(got, want) {
		t.Errorf("missing %q, want %q", got, want)
	}
}

func TestRoundFailsUnlessAllArrived(t *testing.T) {
	t.Parallel()
	good := round{wanted: 10, sent: 10, delivered: 10, duplicates: 1}
	if err := good.err(); err != nil {
		t.Errorf("a complete round with a duplicate: %v", err)
	}
	for name, bad := range map[string]round{
		"lost":       {wanted: 10, sent: 10, delivered: 9, lost: []string{testID(1)}},
		"refused":    {wanted: 10, sent: 9, delivered: 9},
		"unreadable": {wanted: 10, sent: 10, delivered: 10, unreadable: 1},
		"foreign":    {wanted: 10, sent: 10, delivered: 11},
		"forged":     {wanted: 10, sent: 10, delivered: 10, forged: 1},
	} {
		if bad.err() == nil {
			t.Errorf("%s: the round passes", name)
		}
	}
}

func TestPayloadHasTheSizeAskedFor(t *testing.T) {
	t.Parallel()
	for _, size := range []int{payloadMin, 400, 5000} {
		for _, n := range []int{0, 1, messagesMax} {
			if got := len(appendPayload(nil, n, size)); got != size {
				t.Errorf("payload %d of %d bytes has %d", n, size, got)
			}
		}
	}
}

func TestSignatureIsThatOfTheSpecification(t *testing.T) {
	t.Parallel()
	// The example of the Standard Webhooks libraries.
	key, err := parseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}
