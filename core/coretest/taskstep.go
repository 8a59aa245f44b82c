package coretest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// batch applies do to the messages of a range. do reports whether the task applied to the message.
func (s *Store) batch(app core.AppID, r core.MessageRange, do func(m *core.NewMessage) int64) (b core.TaskBatch, err error) {
	if s.StepErr != nil {
		if err := s.StepErr(); err != nil {
			return b, err
		}
	}
	var messages []*core.NewMessage
	for i := range s.Messages {
		if m := &s.Messages[i]; m.AppID == app && string(m.ID) > r.After && string(m.ID) < r.Before {
			messages = append(messages, m)
		}
	}
	slices.SortFunc(messages, func(a, b *core.NewMessage) int { return cmp.Compare(a.ID, b.ID) })
	if len(messages) > r.Limit {
		messages = messages[:r.Limit]
		b.NextAfter = string(messages[r.Limit-1].ID)
	}
	for _, m := range messages {
		b.Processed++
		b.Done += do(m)
	}
	return b, nil
}

// deliver adds a delivery of each message of a range for which is returns true.
func (s *Store) deliver(
	app core.AppID, endpoint core.EndpointID, r core.MessageRange, manual bool, is func(attempts []core.Attempt) bool,
) (core.TaskBatch, error) {
	return s.batch(app, r, func(m *core.NewMessage) int64 {
		attempts := where(s.Attempts, func(a core.Attempt) bool { return a.MessageID == m.ID && a.EndpointID == endpoint })
		if !is(attempts) {
			return 0
		}
		s.Deliveries = append(s.Deliveries, core.Delivery{AppID: app, MessageID: m.ID, EndpointID: endpoint, Manual: manual})
		return 1
	})
}

// DeliveryCountDue implements [core.Tx]. All deliveries are due.
func (s *Store) DeliveryCountDue(_ context.Context, app core.AppID, endpoint core.EndpointID, most int, _ time.Time) (int64, error) {
	due := where(s.Deliveries, func(d core.Delivery) bool { return d.AppID == app && d.EndpointID == endpoint })
	return int64(min(len(due), most)), nil
}

// DeliveryRecoverMany implements [core.Tx].
func (s *Store) DeliveryRecoverMany(
	_ context.Context, app core.AppID, endpoint core.EndpointID, r core.MessageRange, _ time.Time,
) (core.TaskBatch, error) {
	return s.deliver(app, endpoint, r, true, func(attempts []core.Attempt) bool {
		return len(attempts) > 0 && attempts[len(attempts)-1].Status == core.StatusFail
	})
}

// DeliveryReplayMissingMany implements [core.Tx].
func (s *Store) DeliveryReplayMissingMany(
	_ context.Context, app core.AppID, endpoint core.EndpointID, r core.MessageRange, _ time.Time,
) (core.TaskBatch, error) {
	return s.deliver(app, endpoint, r, false, func(attempts []core.Attempt) bool { return len(attempts) == 0 })
}

// DeliveryReplayMany implements [core.Tx]. It ignores the filter.
func (s *Store) DeliveryReplayMany(
	_ context.Context, app core.AppID, endpoint core.EndpointID, _ core.TaskParameters, r core.MessageRange, _ time.Time,
) (core.TaskBatch, error) {
	return s.deliver(app, endpoint, r, true, func(attempts []core.Attempt) bool { return len(attempts) > 0 })
}

// MessagePurgeMany implements [core.Tx].
func (s *Store) MessagePurgeMany(_ context.Context, app core.AppID, r core.MessageRange) (core.TaskBatch, error) {
	return s.batch(app, r, func(m *core.NewMessage) int64 {
		if m.Payload == nil {
			return 0
		}
		m.Payload = nil
		return 1
	})
}

// DestinationCountMany implements [core.Tx].
func (s *Store) DestinationCountMany(_ context.Context, app core.AppID, r core.MessageRange) (core.TaskBatch, error) {
	return s.batch(app, r, func(m *core.NewMessage) int64 {
		endpoints := map[core.EndpointID]bool{}
		for _, a := range s.Attempts {
			if a.MessageID == m.ID {
				endpoints[a.EndpointID] = true
			}
		}
		return int64(len(endpoints))
	})
}

// ApplicationEventTypesMany implements [core.Tx].
func (s *Store) ApplicationEventTypesMany(_ context.Context, apps []core.AppID) ([]core.AppEventTypes, error) {
	types := make([]core.AppEventTypes, len(apps))
	for i, app := range apps {
		types[i] = core.AppEventTypes{AppID: app, EventTypes: []string{}}
		for _, e := range where(s.Endpoints, func(e core.Endpoint) bool { return e.AppID == app }) {
			types[i].EventTypes = append(types[i].EventTypes, e.EventTypes...)
			types[i].CatchAll = types[i].CatchAll || e.EventTypes == nil
		}
	}
	return types, nil
}
