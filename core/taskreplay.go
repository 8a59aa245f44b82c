package core

import (
	"context"
	"time"
)

// PeriodIn is the period whose messages a client means.
type PeriodIn struct {
	Since time.Time
	Until *time.Time // nil: now
}

// recoverMost is the longest period that can be recovered.
const recoverMost = 14 * 24 * time.Hour

// period returns the part of the period that is in the past and whose messages can still have payloads.
func (in PeriodIn) period(c *checks, now time.Time) TaskParameters {
	until := now
	if in.Until != nil && in.Until.Before(now) {
		until = *in.Until
	}
	c.body(in.Until == nil || !in.Since.After(*in.Until), "since must not be after until", "since")
	c.body(!in.Since.After(now.Add(statsSlack)), "since must not be in the future", "since")
	since := in.Since
	if first := now.Add(-retentionMost); since.Before(first) {
		since = first
	}
	return TaskParameters{Since: since.UTC(), Until: until.UTC()}
}

// EndpointRecover starts a task that makes one more attempt at each message of a period that failed permanently at
// an endpoint.
func (s *Service) EndpointRecover(ctx context.Context, scope Scope, appRef, ref string, in PeriodIn) (BackgroundTask, error) {
	return s.endpointTask(ctx, scope, appRef, ref, TaskRecover, func(c *checks, now time.Time) TaskParameters {
		p := in.period(c, now)
		c.body(p.Until.Sub(in.Since) <= recoverMost+statsSlack, "since must be at most 14 days before until", "since")
		return p
	})
}

// EndpointReplayMissing starts a task that delivers the messages of a period that an endpoint would receive today
// but never did, because it was created, enabled or subscribed after them.
func (s *Service) EndpointReplayMissing(ctx context.Context, scope Scope, appRef, ref string, in PeriodIn) (BackgroundTask, error) {
	return s.endpointTask(ctx, scope, appRef, ref, TaskReplayMissing, in.period)
}

// ReplayIn selects the messages to attempt again at an endpoint.
type ReplayIn struct {
	PeriodIn
	MessageFilter
	Status   *AttemptStatus // the messages' status there
	CodeFrom int16          // the lowest response status code of the latest attempt
	CodeTo   int16          // the highest; 0: no bound
}

func (in ReplayIn) parameters(c *checks, now time.Time) TaskParameters {
	c.names(in.EventTypes, endpointTypes, "", nameChars, "eventTypes")
	if in.Channel != "" {
		c.nameOf(in.Channel, channelChars, channelPattern, "channel")
	}
	if in.Tag != "" {
		c.nameOf(in.Tag, tagChars, tagPattern, "tag")
	}
	p := in.period(c, now)
	p.EventTypes, p.Channel, p.Tag = in.EventTypes, in.Channel, in.Tag
	p.Status, p.CodeFrom, p.CodeTo = in.Status, in.CodeFrom, in.CodeTo
	return p
}

// EndpointBulkReplay starts a task that makes one more attempt at each matching message of a period that was
// attempted at an endpoint, whatever the result.
func (s *Service) EndpointBulkReplay(ctx context.Context, scope Scope, appRef, ref string, in ReplayIn) (BackgroundTask, error) {
	return s.endpointTask(ctx, scope, appRef, ref, TaskBulkReplay, in.parameters)
}

func (s *Service) endpointTask(ctx context.Context, scope Scope, appRef, ref string, kind TaskKind, parameters func(*checks, time.Time) TaskParameters) (BackgroundTask, error) {
	if err := scope.may(CapabilityCreateAttempts); err != nil {
		return BackgroundTask{}, err
	}
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return BackgroundTask{}, err
	}
	var c checks
	t := newTask(scope.OrgID, kind, s.now())
	t.AppID, t.EndpointID, t.Parameters = &e.AppID, &e.ID, parameters(&c, t.CreatedAt)
	t.Data.MessagesSent = new(int64)
	if err := c.err(); err != nil {
		return BackgroundTask{}, err
	}
	if e.Disabled {
		return BackgroundTask{}, EndpointDisabled()
	}
	return s.taskInsert(ctx, t)
}

// replay creates the endpoint's deliveries of the next messages.
func (t *BackgroundTask) replay(ctx context.Context, tx Tx, now time.Time) error {
	app, id := *t.AppID, *t.EndpointID
	if taken, err := t.endpointTakes(ctx, tx); err != nil || !taken {
		return err
	}
	due, err := tx.DeliveryCountDue(ctx, app, id, taskDueMost, now)
	if err != nil {
		return err
	}
	if due >= taskDueMost {
		t.NextAt = now.Add(taskDuePause)
		return nil
	}
	batch, err := t.replayMany(ctx, tx, app, id, t.messages(t.Cursor, taskMessages), now)
	if err != nil {
		return err
	}
	t.take(batch, t.Data.MessagesSent)
	if t.Status == TaskFinished {
		// The task must not be reported as finished if the last batch came too late. The endpoint is not locked for the
		// whole step, because step after step that would keep workers from recording its health.
		_, err = t.endpointTakes(ctx, tx)
	}
	return err
}

// endpointTakes reports whether the task's endpoint receives anything. If not, the task has failed.
func (t *BackgroundTask) endpointTakes(ctx context.Context, tx Tx) (bool, error) {
	e, err := tx.EndpointGet(ctx, *t.AppID, string(*t.EndpointID))
	switch {
	case IsKind(err, KindNotFound):
		t.fail("The endpoint was deleted.")
		return false, nil
	case err != nil:
		return false, err
	case e.Disabled:
		t.fail("The endpoint is disabled.")
		return false, nil
	}
	return true, nil
}

func (t *BackgroundTask) replayMany(ctx context.Context, tx Tx, app AppID, id EndpointID, r MessageRange, now time.Time) (TaskBatch, error) {
	switch t.Task {
	case TaskRecover:
		return tx.DeliveryRecoverMany(ctx, app, id, r, now)
	case TaskReplayMissing:
		return tx.DeliveryReplayMissingMany(ctx, app, id, r, now)
	default:
		return tx.DeliveryReplayMany(ctx, app, id, t.Parameters, r, now)
	}
}
