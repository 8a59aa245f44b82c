package core

import "context"

// Reader is what can be read of the store, outside a unit of work and inside one: a port for each
// aggregate, which stands beside it. What is not there is an Error of KindNotFound. ref is an id or a uid.
//
// A list that leaves out rows by what no index knows looks at a bounded number of them. ended is the key of the
// last, if it stopped there before the page was full; what follows was not looked at.
type Reader interface {
	ApplicationReader
	EventTypeReader
	EndpointReader
	MessageReader
	AttemptReader
	DestinationReader
	TokenRevocationReader
	BackgroundTaskReader
}

// Tx is a unit of work: all of it is committed, or none. Only it can write. The Lock methods read a row and
// keep others from changing it until the unit of work ends.
type Tx interface {
	Reader

	ApplicationTx
	EventTypeTx
	EndpointTx
	MessageTx
	AttemptTx
	DeliveryTx
	TokenRevocationTx
	BackgroundTaskTx
	TaskStepTx
	OperationalTx
	OutboxTx
}

// Store is the database.
type Store interface {
	Reader
	// InTx runs work as one unit. Work may run more than once, when the database asks for it, and
	// must do nothing but use tx: no network, no sleep.
	InTx(ctx context.Context, work func(context.Context, Tx) error) error
	// Ping tells whether the database answers.
	Ping(ctx context.Context) error
}
