package app

import (
	"context"
	"sync"
	"time"

	"github.com/postrider/postrider/telemetry"
)

// telemetryStopTimeout is how long the last export may take, whatever the collector does.
const telemetryStopTimeout = 5 * time.Second

// startTelemetry starts counting and tracing; the last export happens after everything else has stopped.
func (i *Instance) startTelemetry(ctx context.Context) (err error) {
	process := telemetry.Process{Version: Version(), Component: i.component}
	i.traces, err = telemetry.StartTraces(ctx, process, i.log)
	if err != nil {
		return err
	}
	i.onStop(i.stopTelemetry)
	i.metrics, err = telemetry.StartMetrics(ctx, process, i.log)
	return err
}

// stopTelemetry exports what is left. Both signals share the time. Nothing is left of a start that failed, which a
// process repeats while its database is away: a collector that is away too must not delay that, nor be logged each time.
func (i *Instance) stopTelemetry() {
	ctx, cancel := context.WithTimeout(context.Background(), telemetryStopTimeout)
	defer cancel()
	if !i.started {
		cancel()
	}
	var stopping sync.WaitGroup
	stopping.Go(func() {
		if err := i.traces.Stop(ctx); err != nil && i.started {
			i.log.Warn("trace export failed; the last spans are lost", "error", err)
		}
	})
	if i.metrics != nil {
		stopping.Go(func() {
			if err := i.metrics.Stop(ctx); err != nil && i.started {
				i.log.Warn("metric export failed; the last counts are lost", "error", err)
			}
		})
	}
	stopping.Wait()
}
