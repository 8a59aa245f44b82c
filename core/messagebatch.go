package core

import (
	"context"
	"fmt"
	"slices"
)

// BatchMost is how many messages a batch may hold.
const BatchMost = 1000

// Stored is the outcome for one message of a batch: it is in the store, or Err says why not.
type Stored struct {
	Message Message
	Err     error
}

// BatchIn is one message of a batch, or the error already found in it.
type BatchIn struct {
	MessageIn
	Err error
}

// MessageCreateMany is MessageCreate for many messages to one application in one statement. Invalid messages are
// rejected individually. The error concerns the whole batch: nothing was stored.
func (s *Service) MessageCreateMany(ctx context.Context, scope Scope, appRef string, ins []BatchIn, key string) ([]Stored, error) {
	if err := scope.org(); err != nil {
		return nil, err
	}
	if len(ins) > BatchMost {
		return nil, Invalid(fmt.Sprintf("A batch may hold at most %d messages; send the rest in further batches", BatchMost), "body", "messages")
	}
	if _, err := reachable(ctx, s.store, scope, appRef); err != nil {
		return nil, err
	}
	now := s.now()
	outcomes := make([]Stored, len(ins))
	var messages []NewMessage
	var places []int
	for i, in := range ins {
		if outcomes[i].Err = in.Err; in.Err == nil {
			outcomes[i].Err = in.validate(now)
		}
		if outcomes[i].Err == nil {
			m := in.message(scope.OrgID, appRef, now)
			m.KeyHash = batchKeyHash(key, i)
			messages, places = append(messages, m), append(places, i)
		}
	}
	inOrder(messages)
	for n, stored := range s.inserter.MessageInsertMany(ctx, messages) {
		stored.Err = eventIDTaken(noApplication(stored.Err, scope.OrgID, appRef), messages[n].EventID)
		outcomes[places[n]] = stored
	}
	return outcomes, nil
}

// inOrder reassigns the messages' ids so that lists show the messages in the order in which they were sent. Ids of
// the same instant have no order.
func inOrder(messages []NewMessage) {
	ids := make([]MessageID, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	slices.Sort(ids)
	for i := range messages {
		messages[i].ID = ids[i]
	}
}
