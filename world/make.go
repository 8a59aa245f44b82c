package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// Make fills an empty, migrated database, and returns the names of what it made. The statistics are then as
// autovacuum leaves them. conn must belong to a superuser or the tables' owner.
func Make(ctx context.Context, conn *pgx.Conn, c Config) (*World, error) {
	if err := c.clock(ctx, conn); err != nil {
		return nil, err
	}
	var used bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM application)").Scan(&used); err != nil {
		return nil, fmt.Errorf("looking for applications: %w", err)
	}
	if used {
		return nil, errors.New("the database has applications already; a world is made in an empty one")
	}
	p := newPopulation(c)
	h := newHistory(p)
	for _, step := range []func(context.Context, *pgx.Conn) error{
		h.copyHistory, h.makePartitions, h.copyPopulation, h.copyDeliveries,
	} {
		if err := step(ctx, conn); err != nil {
			return nil, err
		}
	}
	if err := Settle(ctx, conn); err != nil {
		return nil, err
	}
	if c.Due > 0 {
		if _, err := AddDue(ctx, conn, h.world.Now, c.Due, c.DueEndpoints); err != nil {
			return nil, err
		}
	}
	return h.world, nil
}

// clock sets Now to the database's time if it is zero.
func (c *Config) clock(ctx context.Context, conn *pgx.Conn) error {
	if c.Now.IsZero() {
		if err := conn.QueryRow(ctx, "SELECT now()").Scan(&c.Now); err != nil {
			return fmt.Errorf("reading the clock: %w", err)
		}
	}
	c.Now = c.Now.UTC().Truncate(time.Microsecond)
	return nil
}

// copyHistory copies messages on one connection and attempts on another, one chunk while the next one is drawn.
func (h *history) copyHistory(ctx context.Context, conn *pgx.Conn) error {
	second, err := pgx.ConnectConfig(ctx, conn.Config())
	if err != nil {
		return fmt.Errorf("connecting again: %w", err)
	}
	defer second.Close(context.WithoutCancel(ctx))
	messages, attempts := h.partitions(core.MessagePartition), h.partitions(core.AttemptPartition)
	if err := errors.Join(messages.create(ctx, conn), attempts.create(ctx, second)); err != nil {
		return err
	}
	drawCtx, cancel := context.WithCancel(ctx)
	chunks := make(chan *chunk, 1)
	go h.drawAll(drawCtx, chunks)
	defer func() {
		cancel()
		for range chunks { // until the channel is closed, which means that drawing has ended
		}
	}()
	for c := range chunks {
		err := both(
			func() error {
				return errors.Join(
					messages.copy(ctx, conn, c.messages[:], messageColumns),
					c.eventIDs.copyTo(ctx, conn, "message_event_id", eventIDColumns),
					c.keys.copyTo(ctx, conn, "message_key", keyColumns),
				)
			},
			func() error { return attempts.copy(ctx, second, c.attempts[:], attemptColumns) },
		)
		if err != nil {
			return err
		}
	}
	return both(
		func() error { return messages.attach(ctx, conn) },
		func() error { return attempts.attach(ctx, second) },
	)
}

// both runs two functions concurrently.
func both(one, other func() error) error {
	done := make(chan error, 1)
	go func() { done <- other() }()
	return errors.Join(one(), <-done)
}

func (h *history) copyPopulation(ctx context.Context, conn *pgx.Conn) error {
	h.nameAll()
	names, err := json.Marshal(h.world)
	if err != nil {
		return err
	}
	var applications, endpoints, types rows
	for _, a := range h.all {
		metadata := map[string]string{}
		if a == h.empty {
			metadata[namesKey] = string(names)
		}
		if err := h.addApplication(&applications, a, metadata); err != nil {
			return err
		}
		for _, e := range a.endpoints {
			h.addEndpoint(&endpoints, e)
		}
	}
	for n := range eventTypes + h.wideTypes() {
		h.addEventType(&types, h.eventType(n))
	}
	for n := range ownTypes {
		h.addEventType(&types, h.eventType(n))
	}
	return errors.Join(
		types.copyTo(ctx, conn, "event_type", eventTypeColumns),
		applications.copyTo(ctx, conn, "application", applicationColumns),
		endpoints.copyTo(ctx, conn, "endpoint", endpointColumns),
	)
}

// copyDeliveries runs last, so that the table is vacuumed with its rows in it, as after some thousands of deliveries.
func (h *history) copyDeliveries(ctx context.Context, conn *pgx.Conn) error {
	return h.deliveries.copyTo(ctx, conn, "delivery", deliveryColumns)
}

const (
	applicationColumns = "org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at, deleted_at"
	eventTypeColumns   = "org_id, name, description, archived, deprecated, created_at, updated_at"
	endpointColumns    = "app_id, id, uid, url, description, version, throttle_rate, disabled, event_types, channels, " +
		"secret, headers, metadata, failing_since, created_at, updated_at, deleted_at, fifo, failures, " +
		"paused_at, paused_until, disabled_reason"
)

func (h *history) addApplication(r *rows, a *application, metadata map[string]string) error {
	encoded, err := json.Marshal(metadata)
	if err != nil {
		return err
	}
	var deleted time.Time
	uid := a.app.UID
	if a.deleted {
		deleted, uid = h.Now.Add(-time.Hour), ""
	}
	r.text(string(a.org))
	r.text(string(a.app.ID))
	r.textOrNull(uid)
	r.text("Customer " + string(a.app.ID[len(a.app.ID)-6:]))
	r.intOrNull(a.throttle)
	r.escaped(string(encoded))
	r.time(a.created)
	r.time(a.created)
	r.timeOrNull(deleted)
	r.end()
	return nil
}

func (h *history) addEventType(r *rows, name string) {
	r.text(string(org))
	r.text(name)
	r.text("")
	r.bool(false)
	r.bool(false)
	r.time(h.start)
	r.time(h.start)
	r.end()
}

func (h *history) addEndpoint(r *rows, e *endpoint) {
	var deleted, pausedUntil time.Time
	disabled, reason, uid := false, "", e.uid
	switch {
	case e.deleted:
		deleted, uid = e.ends, ""
	case !e.ends.IsZero():
		disabled, reason = true, "failing"
	}
	if !e.pausedAt.IsZero() {
		pausedUntil = h.Now.Add(time.Duration(60+h.IntN(1800)) * time.Second)
	}
	var types []string
	for _, n := range e.types {
		types = append(types, h.eventType(n))
	}
	r.text(string(e.app.app.ID))
	r.text(string(e.id))
	r.textOrNull(uid)
	r.text(h.URL + string(e.id))
	r.text("")
	r.int(1)
	r.intOrNull(e.throttle)
	r.bool(disabled)
	r.list(types...)
	r.list(e.channels...)
	r.bytes(h.secret())
	r.text("{}")
	r.text("{}")
	r.timeOrNull(e.failing)
	r.time(e.created)
	r.time(e.created)
	r.timeOrNull(deleted)
	r.bool(e.fifo)
	r.int(e.failures)
	r.timeOrNull(e.pausedAt)
	r.timeOrNull(pausedUntil)
	r.textOrNull(reason)
	r.end()
}
