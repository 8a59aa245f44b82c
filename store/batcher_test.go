package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// gated is a batcher whose statements each wait to be released.
func gated(size int) (b *batcher[int, int], started chan []int, proceed chan struct{}) {
	started, proceed = make(chan []int), make(chan struct{})
	run := func(_ context.Context, inputs []int) []outcome[int] {
		started <- inputs
		<-proceed
		outcomes := make([]outcome[int], len(inputs))
		for i, in := range inputs {
			outcomes[i].out = 2 * in
		}
		return outcomes
	}
	return newBatcher(run, func(int) int { return size }), started, proceed
}

// ask makes n requests and returns once all of them are waiting.
func ask(t *testing.T, b *batcher[int, int], n int) chan int {
	t.Helper()
	answers := make(chan int, n)
	for i := range n {
		go func() {
			out, err := b.do(t.Context(), i)
			if err != nil {
				t.Error(err)
			}
			answers <- out
		}()
	}
	return answers
}

func waitFor(t *testing.T, b *batcher[int, int], waiting int) {
	t.Helper()
	for {
		b.mu.Lock()
		n := len(b.waiting)
		b.mu.Unlock()
		if n == waiting {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("requests never came to wait")
		}
	}
}

func waitingIn(b *batcher[int, int]) (rows, bytes, kept int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows, b.bytes, len(b.waiting)
}

func TestRequestsThatWaitShareTheNextStatement(t *testing.T) {
	t.Parallel()
	b, started, proceed := gated(1)
	first := ask(t, b, 1)
	if batch := <-started; len(batch) != 1 {
		t.Errorf("an idle batcher began with %d requests", len(batch))
	}
	rest := ask(t, b, 20)
	waitFor(t, b, 20)
	proceed <- struct{}{}
	<-first
	if batch := <-started; len(batch) != 20 {
		t.Errorf("the next statement took %d of 20 requests", len(batch))
	}
	proceed <- struct{}{}
	sum := 0
	for range 20 {
		sum += <-rest
	}
	if want := 2 * 19 * 20 / 2; sum != want {
		t.Errorf("answers add up to %d, want %d", sum, want)
	}
}

func TestAStatementTakesABoundedNumberOfBytes(t *testing.T) {
	t.Parallel()
	b, started, proceed := gated(batchBytesMax / 4)
	answers := ask(t, b, 1)
	<-started
	more := ask(t, b, 6)
	waitFor(t, b, 6)
	proceed <- struct{}{}
	<-answers
	for _, want := range []int{4, 2} {
		if batch := <-started; len(batch) != want {
			t.Errorf("took %d requests, want %d", len(batch), want)
		}
		proceed <- struct{}{}
	}
	for range 6 {
		<-more
	}
}

// Large payloads made everybody's commits wait for the disk, without a pause.
func TestBatcherRestsInProportionToStatements(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ratio int
		jump  time.Duration
		rest  time.Duration
	}{
		"as long":           {ratio: 1, rest: 500 * time.Millisecond},
		"twice as long":     {ratio: 2, rest: time.Second},
		"clock set forward": {ratio: 1, jump: time.Hour, rest: statementRestMax},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var at []time.Duration
				b := newBatcher(func(_ context.Context, inputs []int) []outcome[int] {
					at = append(at, time.Since(began))
					<-time.After(500 * time.Millisecond) // of the test's clock
					return make([]outcome[int], len(inputs))
				}, func(int) int { return 100 })
				b.restRatio, b.clock = test.ratio, func() time.Time { return time.Now().Add(time.Duration(len(at)) * test.jump) }
				b.bytesMax = 100
				answers := ask(t, b, 3)
				for range 3 {
					<-answers
				}
				each := 500*time.Millisecond + test.rest
				if want := []time.Duration{0, each, 2 * each}; !slices.Equal(at, want) {
					t.Errorf("statements began after %v, want %v", at, want)
				}
				<-time.After(time.Minute) // until the last rest is over
			})
		})
	}
}

func TestACallerThatLeavesHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	b, started, proceed := gated(1)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := b.do(ctx, 1)
		left <- err
	}()
	<-started
	stays := ask(t, b, 1)
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left: %v", err)
	}
	proceed <- struct{}{}
	<-started
	proceed <- struct{}{}
	<-stays
}

// A caller that leaves before its request is in a statement withdraws the request.
func TestARequestWhoseCallerLeftIsNotMade(t *testing.T) {
	t.Parallel()
	b, started, proceed := gated(1)
	b.bounded = true
	first := ask(t, b, 1)
	<-started
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	for range 2000 {
		go func() {
			_, err := b.do(ctx, 7)
			left <- err
		}()
	}
	waitFor(t, b, 2000)
	stays := ask(t, b, 3)
	waitFor(t, b, 2003)
	leave()
	for range 2000 {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that left: %v", err)
		}
	}
	if rows, bytes, kept := waitingIn(b); rows != 3 || bytes != 3 || kept > 6 {
		t.Errorf("%d requests wait, with %d bytes, and %d are kept", rows, bytes, kept)
	}
	proceed <- struct{}{}
	<-first
	if batch := <-started; len(batch) != 3 || slices.Contains(batch, 7) {
		t.Errorf("the next statement has %v", batch)
	}
	proceed <- struct{}{}
	for range 3 {
		<-stays
	}
	if rows, bytes, kept := waitingIn(b); rows != 0 || bytes != 0 || kept != 0 {
		t.Errorf("%d requests wait, with %d bytes, and %d are kept", rows, bytes, kept)
	}
}

// While the database does not answer, the number of waiting requests is bounded. Further requests are refused
// immediately.
func TestRequestsBeyondTheBoundAreRefused(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"rows": 1, "bytes": waitingBytesMax / 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			most := min(waitingRowsMax, waitingBytesMax/size)
			b, started, proceed := gated(size)
			b.bounded = true
			first := ask(t, b, 1)
			<-started
			rest := ask(t, b, most)
			waitFor(t, b, most)
			if _, err := b.do(t.Context(), 1); !core.IsKind(err, core.KindUnavailable) {
				t.Errorf("one more: %v", err)
			}
			go func() {
				for range started {
					proceed <- struct{}{}
				}
			}()
			proceed <- struct{}{}
			<-first
			for range most {
				<-rest
			}
			if out, err := b.do(t.Context(), 21); err != nil || out != 42 {
				t.Errorf("afterwards: %d, %v", out, err)
			}
			close(started)
		})
	}
}

func TestSeparatelyFindsTheRowThatIsRefused(t *testing.T) {
	t.Parallel()
	statements := 0
	run := func(inputs []int) ([]outcome[int], error) {
		statements++
		if slices.Contains(inputs, 5) {
			return nil, &pgconn.PgError{Code: "22021"}
		}
		return make([]outcome[int], len(inputs)), nil
	}
	for n, o := range separately([]int{0, 1, 2, 3, 4, 5, 6, 7}, run) {
		if (o.err != nil) != (n == 5) {
			t.Errorf("row %d: %v", n, o.err)
		}
	}
	if statements != 7 { // 8, 4+4, 2+2 of the second four, 1+1
		t.Errorf("%d statements", statements)
	}
}

func TestSeparatelyDoesNotRepeatWhatFailsForAll(t *testing.T) {
	t.Parallel()
	statements := 0
	outcomes := separately([]int{1, 2, 3}, func([]int) ([]outcome[int], error) {
		statements++
		return nil, &pgconn.PgError{Code: "57P01"}
	})
	for _, o := range outcomes {
		if !core.IsKind(o.err, core.KindUnavailable) {
			t.Error(o.err)
		}
	}
	if statements != 1 {
		t.Errorf("%d statements", statements)
	}
}

// Messages of a source are stored in order: no message may be stored after one that has to be retried.
func TestSeparatelyRunsNothingAfterAnOutage(t *testing.T) {
	t.Parallel()
	away := &pgconn.PgError{Code: "57P01"} // shutting down; it is up again when the second half is tried
	outcomes := separately([]int{1, 2, 3, 4}, func(inputs []int) ([]outcome[int], error) {
		switch {
		case len(inputs) == 4:
			return nil, &pgconn.PgError{Code: "22000"}
		case inputs[0] == 1:
			return nil, away
		}
		return make([]outcome[int], len(inputs)), nil
	})
	for n, o := range outcomes {
		if !errors.Is(o.err, away) {
			t.Errorf("input %d: %v, want the outage", n, o.err)
		}
	}
}

// A deadlock between two statements of many callers is no caller's fault: the statement that Postgres cancels is run
// again.
func TestAStatementInADeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	runs := 0
	outcomes := separately([]int{1, 2}, func(inputs []int) ([]outcome[int], error) {
		if runs++; runs == 1 {
			return nil, &pgconn.PgError{Code: codeDeadlock}
		}
		return make([]outcome[int], len(inputs)), nil
	})
	if runs != 2 || len(outcomes) != 2 || outcomes[0].err != nil || outcomes[1].err != nil {
		t.Errorf("%d runs: %+v", runs, outcomes)
	}
}
