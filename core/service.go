package core

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Service implements the use cases of the REST API. Each checks what the token may do, then the input, then acts. Its
// siblings are [Ingest], which sources drive, and [Tasks], which the jobs drive.
type Service struct {
	base
	inserter    MessageInserter
	tokens      TokenMaker
	revocations Revocations
	rules       EndpointRules
}

// EndpointRules are an installation's rules for endpoints. The zero value allows everything.
type EndpointRules struct {
	SignatureType SignatureType // of generated secrets
	HTTPSOnly     bool          // endpoints must use https
	EndpointsMost int           // per application; 0: any number
	DomainToASCII DomainToASCII // for endpoints' URLs; nil: they must be ASCII
}

// NewService returns the use cases of the REST API.
func NewService(store Store, inserter MessageInserter, tokens TokenMaker, clock func() time.Time, rules EndpointRules) *Service {
	b := base{store, clock}
	return &Service{base: b, inserter: inserter, tokens: tokens, revocations: Revocations{b}, rules: rules}
}

// Within returns the use cases on a store that is a unit of work. They cannot store messages: a [MessageInserter]
// uses its own unit of work, and would wait for a second connection while this one is held.
func (s *Service) Within(store Store) *Service {
	within := *s
	within.base = base{store, s.clock}
	within.revocations, within.inserter = Revocations{within.base}, refusingInserter{}
	return &within
}

// refusingInserter takes the place of an inserter where no messages can be stored.
type refusingInserter struct{}

var errWithin = errors.New("messages cannot be stored in another unit of work")

func (refusingInserter) MessageInsert(context.Context, NewMessage) (Message, error) {
	return Message{}, errWithin
}

func (refusingInserter) MessageInsertMany(_ context.Context, messages []NewMessage) []Stored {
	return slices.Repeat([]Stored{{Err: errWithin}}, len(messages))
}

// Now returns the service's time, for adapters that read times relative to it.
func (s *Service) Now() time.Time { return s.now() }

// base holds what all use cases need.
type base struct {
	store Store
	clock func() time.Time
}

// now is truncated to the microsecond, the precision of Postgres, so that answers contain the times that will be
// read back.
func (b base) now() time.Time { return b.clock().UTC().Truncate(time.Microsecond) }
