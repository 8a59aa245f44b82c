package coretest

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// MessageGet implements [core.Tx].
func (s *Store) MessageGet(_ context.Context, app core.AppID, ref string) (core.Message, error) {
	m, err := get(s.Messages, func(m core.NewMessage) bool {
		return m.AppID == app && (string(m.ID) == ref || named(m.EventID, ref))
	})
	return m.Message, err
}

// MessageGetBare implements [core.Tx].
func (s *Store) MessageGetBare(ctx context.Context, app core.AppID, ref string) (core.Message, error) {
	m, err := s.MessageGet(ctx, app, ref)
	m.Payload = nil
	return m, err
}

// MessageGetMany implements [core.Tx].
func (s *Store) MessageGetMany(ctx context.Context, app core.AppID, ids []core.MessageID, _ bool) (found []core.Message, n int, _ error) {
	for _, id := range ids {
		if m, err := s.MessageGet(ctx, app, string(id)); err == nil {
			found = append(found, m)
		}
	}
	return found, len(ids), nil
}

// MessageList implements [core.Tx]. It ignores the filter.
func (s *Store) MessageList(_ context.Context, app core.AppID, _ core.MessageFilter, page core.Page) ([]core.Message, string, error) {
	var rows []core.Message
	for _, m := range s.Messages {
		if m.AppID == app {
			rows = append(rows, m.Message)
		}
	}
	return paged(rows, page, func(m core.Message) string { return string(m.ID) }), "", nil
}

// MessageInsert implements [core.Tx].
func (s *Store) MessageInsert(_ context.Context, m core.Message) error {
	s.Messages = append(s.Messages, core.NewMessage{Message: m})
	return nil
}

// MessageInsertMany implements [core.Tx].
func (s *Store) MessageInsertMany(ctx context.Context, messages []core.NewMessage, _ time.Time) ([]core.Stored, error) {
	if s.UnitErr != nil {
		if err := s.UnitErr(messages); err != nil {
			return nil, err
		}
	}
	stored := make([]core.Stored, len(messages))
	for i, m := range messages {
		stored[i].Message, stored[i].Err = s.messageStore(ctx, m)
	}
	return stored, nil
}

// MessageExpungeMany implements [core.Tx].
func (s *Store) MessageExpungeMany(_ context.Context, app core.AppID, refs []string) (found []string, _ error) {
	for _, ref := range refs {
		i, err := find(s.Messages, func(m core.NewMessage) bool {
			return m.AppID == app && (string(m.ID) == ref || named(m.EventID, ref))
		})
		if err == nil {
			s.Messages[i].Payload = nil
			found = append(found, ref)
		}
	}
	return found, nil
}

// messageStore stores a message, or finds the one with its idempotency key.
func (s *Store) messageStore(ctx context.Context, m core.NewMessage) (core.Message, error) {
	if s.MessageErr != nil {
		if err := s.MessageErr(m); err != nil {
			return core.Message{}, err
		}
	}
	app, err := s.ApplicationGet(ctx, m.OrgID, m.AppRef)
	if err != nil {
		return core.Message{}, err
	}
	m.AppID = app.ID
	for _, other := range s.Messages {
		switch {
		case other.AppID != m.AppID:
		case m.KeyHash != nil && slices.Equal(other.KeyHash, m.KeyHash):
			return other.Message, nil
		case m.EventID != nil && named(other.EventID, *m.EventID):
			return core.Message{}, core.Conflict("The event id is taken")
		}
	}
	s.Messages = append(s.Messages, m)
	return m.Message, nil
}

// Inserter stores messages in a Store.
type Inserter struct{ *Store }

var _ core.MessageInserter = Inserter{}

// MessageInsert implements [core.MessageInserter].
func (i Inserter) MessageInsert(ctx context.Context, m core.NewMessage) (core.Message, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.messageStore(ctx, m)
}

// MessageInsertMany implements [core.MessageInserter].
func (i Inserter) MessageInsertMany(ctx context.Context, messages []core.NewMessage) []core.Stored {
	stored := make([]core.Stored, len(messages))
	for n, m := range messages {
		stored[n].Message, stored[n].Err = i.MessageInsert(ctx, m)
	}
	return stored
}
