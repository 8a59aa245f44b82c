package core

import "context"

// Reader is what can be read from the store, inside and outside a unit of work. It has one port per aggregate,
// declared next to the aggregate. A row that does not exist is an Error of KindNotFound. ref is an id or a uid.
//
// A list with a filter that no index covers examines a bounded number of rows. ended is the key of the last one if
// the list stopped there before the page was full; the rows after it were not examined.
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

// Tx is a unit of work: either all of it is committed or nothing. Only a Tx can write. The Lock methods read a row
// and keep others from changing it until the unit of work ends.
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
	// InTx runs work as one unit. Work may run more than once, because the database may require a retry, and must only
	// use tx: no network, no sleep.
	InTx(ctx context.Context, work func(context.Context, Tx) error) error
	// Ping returns an error if the database does not respond.
	Ping(ctx context.Context) error
}
