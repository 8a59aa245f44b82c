package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/postrider/postrider/db"
)

const (
	// clockInterval is how often a process compares its clock with the server's: either clock may be set, and a
	// failover changes the server.
	clockInterval = 10 * time.Second

	// clockTries is how often a comparison asks for the server's time. The quickest answer is the most accurate.
	clockTries = 3

	// clockSkew is the smallest difference between the clocks that is logged.
	clockSkew = time.Second
)

// clock derives the server's time from the host's. Leases and due times are written by one process and read by
// others, and the clocks of their hosts may be minutes apart.
type clock struct {
	local  func() time.Time
	offset atomic.Int64 // of the server's clock, in nanoseconds
	log    *slog.Logger
}

// now returns the time on the server's clock.
func (c *clock) now() time.Time { return c.local().Add(time.Duration(c.offset.Load())) }

// compare measures how far the server's clock is ahead of the host's. It changes the offset only by more than the
// uncertainty of the measurement, which is half a round trip, so the offset is zero if the clocks agree.
func (c *clock) compare(ctx context.Context, conn db.DBTX) error {
	var offset, quickest time.Duration
	for try := range clockTries {
		asked := c.local()
		server, err := queries.ServerTimeAnyTenant(ctx, conn)
		if err != nil {
			return fmt.Errorf("server time: %w", err)
		}
		if took := c.local().Sub(asked); try == 0 || took < quickest {
			offset, quickest = server.Sub(asked.Add(took/2)), took
		}
	}
	if before := time.Duration(c.offset.Load()); (offset - before).Abs() > quickest/2 {
		c.offset.Store(int64(offset))
		c.tell(before, offset)
	}
	return nil
}

// tell logs when the clocks begin to differ and when they agree again.
func (c *clock) tell(before, offset time.Duration) {
	switch differ, differed := offset.Abs() >= clockSkew, before.Abs() >= clockSkew; {
	case differ && (offset-before).Abs() >= clockSkew:
		c.log.Warn("clock differs from the database server; using the server's time", "offset_ms", offset.Milliseconds())
	case differed && !differ:
		c.log.Info("clock agrees with the database server", "offset_ms", offset.Milliseconds())
	}
}

// Now returns the time on the database server's clock, as far as this process knows it.
func (s *Store) Now() time.Time { return s.clock.now() }

// ClockSkew returns how far the host's clock is ahead of the server's: 0 while they agree as far as can be measured.
func (s *Store) ClockSkew() time.Duration { return -time.Duration(s.clock.offset.Load()) }

// KeepTime follows the database server's clock until ctx ends. It ignores errors, because other users of the database
// log that the server is unavailable.
func (s *Store) KeepTime(ctx context.Context) {
	ticks := time.NewTicker(clockInterval)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			_ = s.compareClock(ctx)
		}
	}
}

func (s *Store) compareClock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(ctx) // so that waiting for a connection is not measured
	if err != nil {
		return err
	}
	defer conn.Release()
	return s.clock.compare(ctx, conn)
}
