package core

import "context"

const expungeMost = 1000

// MessageExpunge removes the payload of a message permanently. Pending deliveries of the message are dropped.
func (s *Service) MessageExpunge(ctx context.Context, scope Scope, appRef, ref string) error {
	found, err := s.MessageExpungeMany(ctx, scope, appRef, []string{ref})
	if err == nil && !found[ref] {
		return missing(NotFound(), "message "+shown(ref)+" in application "+shown(appRef))
	}
	return err
}

// MessageExpungeMany is MessageExpunge for up to 1,000 messages. It reports which of them exist.
func (s *Service) MessageExpungeMany(ctx context.Context, scope Scope, appRef string, refs []string) (map[string]bool, error) {
	if err := scope.org(); err != nil {
		return nil, err
	}
	if len(refs) > expungeMost {
		return nil, Invalid("ids may hold at most 1000 messages; expunge the rest in further requests", "body", "ids")
	}
	for _, ref := range refs {
		var c checks
		if c.text(ref, "ids"); c.err() != nil {
			return nil, c.err()
		}
	}
	app, err := reachable(ctx, s.store, scope, appRef)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		there, err := tx.MessageExpungeMany(ctx, app.ID, refs)
		for _, ref := range there {
			found[ref] = true
		}
		return err
	})
	return found, err
}

// MessageExpungeAll starts a task that removes the payloads of all messages that an application has now.
func (s *Service) MessageExpungeAll(ctx context.Context, scope Scope, appRef string) (BackgroundTask, error) {
	if err := scope.org(); err != nil {
		return BackgroundTask{}, err
	}
	app, err := reachable(ctx, s.store, scope, appRef)
	if err != nil {
		return BackgroundTask{}, err
	}
	t := newTask(scope.OrgID, TaskPurge, s.now())
	t.AppID, t.Parameters.Until, t.Data.MessagesPurged = &app.ID, t.CreatedAt, new(int64)
	return s.taskInsert(ctx, t)
}

// expunged replaces a response that was removed.
const expunged = "EXPUNGED"

// AttemptExpunge removes the receiver's response from an attempt permanently.
func (s *Service) AttemptExpunge(ctx context.Context, scope Scope, appRef, messageRef string, id AttemptID) error {
	if err := scope.org(); err != nil {
		return err
	}
	a, err := s.AttemptGet(ctx, scope, appRef, messageRef, id)
	if err != nil {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		return noAttempt(tx.AttemptExpunge(ctx, a.AppID, a.MessageID, a.ID, expunged), a.MessageID, a.ID)
	})
}

func (t *BackgroundTask) purge(ctx context.Context, tx Tx) error {
	batch, err := tx.MessagePurgeMany(ctx, *t.AppID, t.messages(t.Cursor, taskMessages))
	if err == nil {
		t.take(batch, t.Data.MessagesPurged)
	}
	return err
}
