package store

import (
	"context"

	"github.com/postrider/postrider/core"
)

// MessageInsertMany stores messages in separate statements, keeps the order of each application's messages, and
// returns a result for each message.
func (i *MessageInserter) MessageInsertMany(ctx context.Context, messages []core.NewMessage) []core.Stored {
	ctx = context.WithoutCancel(ctx)
	stored := make([]core.Stored, len(messages))
	if len(messages) == 0 {
		return stored
	}
	outcomes := i.insertAll(ctx, messages)
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	for n, o := range outcomes {
		stored[n].Message, stored[n].Err = i.stored(ctx, messages[n], o.out, o.err)
	}
	return stored
}

// insertAll stores messages. If another transaction has locked an application, it stores that application's messages
// once the application is unlocked.
func (i *MessageInserter) insertAll(ctx context.Context, messages []core.NewMessage) []outcome[insertion] {
	outcomes := i.insertInTurn(ctx, messages)
	for wait := newLockWait(); ; {
		var left []core.NewMessage
		var places []int
		for n, o := range outcomes {
			if o.out.lockedOut {
				left, places = append(left, messages[n]), append(places, n)
			}
		}
		if len(left) == 0 {
			return outcomes
		}
		again := failures[insertion](len(left), wait.next(ctx))
		if again[0].err == nil {
			again = i.insertInTurn(ctx, left)
		}
		for k, o := range again {
			outcomes[places[k]] = o
		}
	}
}

// insertInTurn stores messages once it is their customer's turn. Their statements are not shared, and without turns
// would occupy as many connections as there are requests.
func (i *MessageInserter) insertInTurn(ctx context.Context, messages []core.NewMessage) []outcome[insertion] {
	within, cancel := context.WithTimeoutCause(ctx, requestWait, errShareFull)
	defer cancel()
	if err := i.batches.enter(within); err != nil {
		return failures[insertion](len(messages), err)
	}
	defer i.batches.leave(core.CustomerOf(ctx))
	return i.insertMany(ctx, messages)
}
