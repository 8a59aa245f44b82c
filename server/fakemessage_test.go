package server

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// This file is the part of a fake that holds messages, attempts and deliveries still to be sent.

func (f *fake) EndpointWanted(_ context.Context, app core.AppID, eventType string, channels []string) (bool, error) {
	wants := func(set, of []string) bool {
		return set == nil || slices.ContainsFunc(set, func(one string) bool { return slices.Contains(of, one) })
	}
	return slices.ContainsFunc(f.endpoints, func(e core.Endpoint) bool {
		return e.AppID == app && !e.Disabled && wants(e.EventTypes, []string{eventType}) && wants(e.Channels, channels)
	}), f.broken
}

func (f *fake) EndpointStatsGet(ctx context.Context, app core.AppID, id core.EndpointID, p core.StatsPeriod) (core.EndpointStats, error) {
	stats, err := f.EndpointAttemptStatsGet(ctx, app, id, p)
	return core.EndpointStats{Succeeded: stats.Succeeded, Failed: stats.Failed}, err
}

func (f *fake) EndpointAttemptStatsGet(_ context.Context, app core.AppID, id core.EndpointID, p core.StatsPeriod) (core.EndpointAttemptStats, error) {
	f.filter = [2]time.Time{p.Since, p.Until}
	var stats core.EndpointAttemptStats
	for _, a := range f.attempts {
		switch {
		case a.AppID != app || a.EndpointID != id:
		case a.Status == core.StatusSuccess:
			stats.Succeeded++
		default:
			stats.Failed++
		}
	}
	return stats, f.broken
}

func (f *fake) EndpointUpdateSecret(_ context.Context, e core.Endpoint) error {
	stored, err := find(f, f.endpoints, func(o core.Endpoint) bool { return o.ID == e.ID })
	*stored = e
	return err
}

func (f *fake) MessageGetMany(_ context.Context, app core.AppID, ids []core.MessageID, _ bool) ([]core.Message, int, error) {
	return slices.DeleteFunc(slices.Clone(f.messages), func(m core.Message) bool {
		return m.AppID != app || !slices.Contains(ids, m.ID)
	}), len(ids), f.broken
}

func (f *fake) MessageInsert(_ context.Context, m core.Message) error {
	f.messages = append(f.messages, m)
	return nil
}

func (f *fake) MessageExpungeMany(_ context.Context, app core.AppID, refs []string) ([]string, error) {
	var there []string
	for _, ref := range refs {
		m, err := find(f, f.messages, func(m core.Message) bool { return m.AppID == app && is(m.ID, m.EventID, ref) })
		if err == nil {
			m.Payload = nil
			there = append(there, ref)
		}
	}
	return there, f.broken
}

func (f *fake) AttemptExpunge(_ context.Context, app core.AppID, _ core.MessageID, id core.AttemptID, response string) error {
	a, err := find(f, f.attempts, func(a core.Attempt) bool { return a.AppID == app && a.ID == id })
	a.Response = response
	return err
}

func (f *fake) DeliveryInsert(_ context.Context, _ core.AppID, message core.MessageID, endpoint core.EndpointID, _ time.Time) error {
	f.owed = append(f.owed, core.Delivery{MessageID: message, EndpointID: endpoint})
	return nil
}

func (f *fake) DeliveryDropByEndpoint(context.Context, core.AppID, core.EndpointID) (int64, error) {
	return 0, f.broken
}

func (f *fake) DeliveryResend(_ context.Context, _ core.AppID, message core.MessageID, endpoint core.EndpointID, _ time.Time) error {
	f.owed = append(f.owed, core.Delivery{MessageID: message, EndpointID: endpoint, Manual: true})
	return nil
}

func (f *fake) AttemptedMessageList(_ context.Context, app core.AppID, endpoint core.EndpointID, filter core.AttemptedMessageFilter, _ core.AttemptID, p core.Page) ([]core.LatestAttempt, string, error) {
	f.filter = filter
	attempts, ended, err := page(f, f.attempts, p, func(a core.Attempt) string { return string(a.MessageID) },
		func(a core.Attempt) bool { return a.AppID == app && a.EndpointID == endpoint })
	latest := make([]core.LatestAttempt, len(attempts))
	for i, a := range attempts {
		latest[i] = core.LatestAttempt{MessageID: a.MessageID, Status: a.Status, NextAt: f.nextAt}
	}
	return latest, ended, err
}

func (f *fake) DestinationList(_ context.Context, app core.AppID, message core.MessageID, _ core.AttemptID, p core.Page) ([]core.Destination, string, error) {
	attempts, ended, err := page(f, f.attempts, p, func(a core.Attempt) string { return string(a.EndpointID) },
		func(a core.Attempt) bool { return a.AppID == app && a.MessageID == message })
	destinations := make([]core.Destination, len(attempts))
	for i, a := range attempts {
		e, _ := find(f, f.endpoints, func(e core.Endpoint) bool { return e.ID == a.EndpointID })
		destinations[i] = core.Destination{Endpoint: *e, Status: a.Status, NextAt: f.nextAt}
	}
	return destinations, ended, cmp.Or(err, f.broken)
}
