package rig

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

// Pair is a primary and a standby that follows it.
type Pair struct {
	Primary, Standby *LocalPostgres
	link             *Silencer // from the standby to the primary
	moved            atomic.Bool
}

// NewPair starts a primary and a standby, which begins with a base backup of the primary and replicates
// asynchronously.
func NewPair(t testing.TB) *Pair {
	t.Helper()
	p := &Pair{Primary: NewLocalPostgres(t)}
	p.link = NewSilencer(t, p.Primary.Address)
	p.Standby = p.Primary.baseBackup(t, p.link.Address, "--write-recovery-conf")
	p.Standby.start(t)
	p.awaitStandby(t, "async")
	return p
}

// Synchronous makes the primary acknowledge a commit only after the standby has it, in the given way: "on" or
// "remote_write", as for synchronous_commit.
func (p *Pair) Synchronous(t testing.TB, commit string) {
	t.Helper()
	p.Primary.Configure(t, "synchronous_commit = "+commit, "synchronous_standby_names = '*'")
	p.awaitStandby(t, "sync")
}

func (p *Pair) awaitStandby(t testing.TB, state string) {
	t.Helper()
	Await(t, func() string {
		n := 0
		Query(t, p.Primary.Address, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = '"+state+"' AND state = 'streaming'", &n)
		if n == 0 {
			return fmt.Sprintf("no standby is %s", state)
		}
		return ""
	})
}

// AwaitReplicated waits until the standby has everything that the primary has committed by now.
func (p *Pair) AwaitReplicated(t testing.TB) {
	t.Helper()
	var position string
	Query(t, p.Primary.Address, "SELECT pg_current_wal_insert_lsn()::text", &position)
	Await(t, func() string {
		var there bool
		Query(t, p.Standby.Address, "SELECT pg_last_wal_replay_lsn() >= '"+position+"'", &there)
		if !there {
			return "the standby lags behind"
		}
		return ""
	})
}

// Cut stops all replication, as a network would that drops everything.
func (p *Pair) Cut() { p.link.Hush() }

// FailOver kills the primary and promotes the standby.
func (p *Pair) FailOver(t testing.TB) {
	t.Helper()
	p.Primary.Kill(t)
	Execute(t, p.Standby.Address, "SELECT pg_promote()")
	p.Standby.AwaitWritable(t)
	p.moved.Store(true)
}

// URL returns the URL of the server that takes writes, for a proxy that is switched over.
func (p *Pair) URL(ctx context.Context) (string, error) {
	if p.moved.Load() {
		return p.Standby.URL(ctx)
	}
	return p.Primary.URL(ctx)
}
