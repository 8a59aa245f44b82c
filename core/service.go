package core

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Service is the use cases of the REST API. Each checks what the token may do, then the input, then acts.
// Its siblings are [Ingest], which sources drive, and [Tasks], which the jobs drive.
type Service struct {
	base
	inserter    MessageInserter
	tokens      TokenMaker
	revocations Revocations
	rules       EndpointRules
}

// EndpointRules are what an installation allows of endpoints. The zero value allows all.
type EndpointRules struct {
	SignatureType SignatureType // of the secrets that are generated
	HTTPSOnly     bool          // endpoints must be https
	EndpointsMost int           // of an application; 0: any number
	DomainToASCII DomainToASCII // of endpoints' URLs; nil: they must be ASCII
}

// NewService makes the use cases of the REST API.
func NewService(store Store, inserter MessageInserter, tokens TokenMaker, clock func() time.Time, rules EndpointRules) *Service {
	b := base{store, clock}
	return &Service{base: b, inserter: inserter, tokens: tokens, revocations: Revocations{b}, rules: rules}
}

// Within returns the use cases on a store that is a unit of work. They cannot store messages: a [MessageInserter]
// uses a unit of work of its own, and would wait for a second connection while this one is held.
func (s *Service) Within(store Store) *Service {
	within := *s
	within.base = base{store, s.clock}
	within.revocations, within.inserter = Revocations{within.base}, refusingInserter{}
	return &within
}

// refusingInserter stands where no messages can be stored.
type refusingInserter struct{}

var errWithin = errors.New("messages cannot be stored in another unit of work")

func (refusingInserter) MessageInsert(context.Context, NewMessage) (Message, error) {
	return Message{}, errWithin
}

func (refusingInserter) MessageInsertMany(_ context.Context, messages []NewMessage) []Stored {
	return slices.Repeat([]Stored{{Err: errWithin}}, len(messages))
}

// Now is the service's clock, for adapters that read times relative to it.
func (s *Service) Now() time.Time { return s.now() }

// base is what all use cases need.
type base struct {
	store Store
	clock func() time.Time
}

// now is to the microsecond, as Postgres keeps it: what is answered is what will be read back.
func (b base) now() time.Time { return b.clock().UTC().Truncate(time.Microsecond) }
