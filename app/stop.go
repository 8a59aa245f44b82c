package app

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopDelayDefault is longer than load balancers and kube-proxy usually take to notice that a process is not ready.
const stopDelayDefault = 5 * time.Second

// stopDelay is how long the API continues to answer after the process was told to stop. Without an API there are no
// clients to redirect. With the local Postgres there is no other process to serve them, and at a terminal a user
// waits for the prompt.
func (i *Instance) stopDelay(terminal bool) time.Duration {
	switch {
	case i.address == nil:
		return 0
	case i.config.StopDelay != nil:
		return *i.config.StopDelay
	case i.local || terminal:
		return 0
	}
	return stopDelayDefault
}

// drain reports the process as not ready, and continues as before for the delay, or until it is told to stop a second
// time. Load balancers take it out of service meanwhile, and each connection ends with its next answer.
func (i *Instance) drain(delay time.Duration) error {
	i.draining.Store(true)
	if delay == 0 {
		return nil
	}
	i.log.Info("draining; stopping after the delay", "delay_ms", delay.Milliseconds())
	again, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	select {
	case <-again.Done():
		return nil
	case <-time.After(delay):
		return nil
	case err := <-i.failed:
		return err
	}
}

// closeWhileDraining closes each connection after its answer while the process drains. Closing idle connections as
// well would fail requests that are just being sent on them.
func (i *Instance) closeWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
