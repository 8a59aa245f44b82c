package core

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Endpoint is a destination of an application's webhooks.
type Endpoint struct {
	AppID        AppID
	ID           EndpointID
	UID          *string // the client's own name for it; unique in the application
	URL          string
	Description  string
	Version      int32
	ThrottleRate *int32 // messages per second; nil: unlimited
	Disabled     bool
	FIFO         bool     // deliver messages in order, one at a time
	EventTypes   []string // nil: all
	Channels     []string // nil: messages with and without channels alike
	Secret       Secret
	Headers      Headers // sent with each webhook
	Metadata     Metadata
	CreatedAt    time.Time
	UpdatedAt    time.Time

	OldSecrets         []Secret    // previous secrets, the latest first
	OldSecretsExpireAt []time.Time // when each of them stops signing

	Health
}

// Health is the health of an endpoint. Workers write it; enabling the endpoint again clears it.
type Health struct {
	FailingSince   *time.Time // the first failure since the last success; nil: not failing
	Failures       int32      // how many consecutive attempts have failed
	PausedUntil    *time.Time // no attempt begins before, then one at a time until one succeeds; nil: not paused
	DisabledReason *DisabledReason
}

// DisabledReason is why an endpoint was disabled automatically.
type DisabledReason string

const (
	DisabledGone    DisabledReason = "gone"    // it answered 410
	DisabledFailing DisabledReason = "failing" // it failed for too long
)

// EndpointReader reads endpoints.
type EndpointReader interface {
	EndpointGet(ctx context.Context, app AppID, ref string) (Endpoint, error)
	EndpointList(ctx context.Context, app AppID, page Page) (rows []Endpoint, ended string, err error)
	// EndpointWanted reports whether any endpoint receives messages with this event type and these channels.
	EndpointWanted(ctx context.Context, app AppID, eventType string, channels []string) (bool, error)
	EndpointStatsGet(ctx context.Context, app AppID, id EndpointID, period StatsPeriod) (EndpointStats, error)
	EndpointAttemptStatsGet(ctx context.Context, app AppID, id EndpointID, period StatsPeriod) (EndpointAttemptStats, error)
}

// EndpointTx changes endpoints in a unit of work.
type EndpointTx interface {
	EndpointLock(ctx context.Context, app AppID, ref string) (Endpoint, error)
	// EndpointCountForInsert counts an application's endpoints, up to most, and keeps others from creating one until
	// the unit of work ends.
	EndpointCountForInsert(ctx context.Context, app AppID, most int) (int, error)
	EndpointInsert(ctx context.Context, e Endpoint) error
	EndpointUpdate(ctx context.Context, e Endpoint) error
	EndpointUpdateSecret(ctx context.Context, e Endpoint) error
	EndpointHeadersUpdate(ctx context.Context, e Endpoint) error
	EndpointDelete(ctx context.Context, app AppID, id EndpointID, now time.Time) error
}

// Headers are an endpoint's own HTTP headers by name.
type Headers map[string]string

// EndpointIn holds the fields of an endpoint that a client can set.
type EndpointIn struct {
	UID          *string
	URL          string
	Description  string
	Version      int32
	ThrottleRate *int32
	Disabled     bool
	FIFO         bool
	EventTypes   []string
	Channels     []string
	Headers      Headers // only when the endpoint is created
	Metadata     Metadata
	Secret       Secret // only when the endpoint is created; zero: one is generated
}

const (
	channelChars     = ":+" // besides those of names
	channelPattern   = "letters, digits, - _ . : +"
	endpointChannels = 10
	endpointTypes    = 1000
)

// check checks everything but the URL: the rules that all installations share.
func (in *EndpointIn) check(c *checks) {
	c.uid(in.UID, endpointPrefix)
	c.boundedText(in.Description, descriptionBytesMax, "description")
	c.body(in.Version >= 1 && in.Version <= 65535, "version must be between 1 and 65535", "version")
	c.throttleRate(in.ThrottleRate)
	c.names(in.EventTypes, endpointTypes, "", nameChars, "eventTypes")
	c.names(in.Channels, endpointChannels, channelChars, channelPattern, "channels")
	c.headers(in.Headers)
	c.metadata(in.Metadata)
}

// validate checks an endpoint and normalises its URL. was is the stored URL, if any.
func (r EndpointRules) validate(in *EndpointIn, was string) error {
	var c checks
	r.url(&c, in, was)
	in.check(&c)
	return c.err()
}

const urlBytesMost = 65536 // of the normal form, which is ASCII

// url checks a URL and normalises it. A change to another field need not repair the URL: a URL that is sent as it is
// stored or shown is kept, even if it would be rejected today.
func (r EndpointRules) url(c *checks, in *EndpointIn, was string) {
	normal, err := "", error(nil)
	if len(in.URL) <= urlBytesMost {
		if in.URL, err = unmaskURL(in.URL, was, r.DomainToASCII); err != nil {
			c.body(false, err.Error(), "url")
			return
		}
		normal, err = NormalURL(in.URL, r.DomainToASCII)
	}
	fits := len(in.URL) <= urlBytesMost && len(normal) <= urlBytesMost
	unchanged := was != "" && (in.URL == was || normal == was)
	switch {
	case unchanged && (err != nil || !fits):
		return
	case err != nil:
		c.body(false, err.Error(), "url")
	case !fits:
		c.body(false, "url must not exceed 65536 characters, including percent escapes", "url")
	case r.HTTPSOnly && !unchanged && !strings.HasPrefix(normal, "https:"):
		c.body(false, "url must begin with https://: this service sends only to https endpoints", "url")
	}
	in.URL = normal
}

func (in EndpointIn) fill(e *Endpoint, now time.Time) {
	e.UID, e.URL, e.Description, e.Version = in.UID, in.URL, in.Description, in.Version
	if e.Disabled != in.Disabled {
		e.Health = Health{}
	}
	e.ThrottleRate, e.Disabled, e.FIFO, e.UpdatedAt = in.ThrottleRate, in.Disabled, in.FIFO, now
	e.EventTypes, e.Channels, e.Metadata = in.EventTypes, in.Channels, in.Metadata
	if e.Metadata == nil {
		e.Metadata = Metadata{}
	}
}

func (e Endpoint) in() EndpointIn {
	return EndpointIn{
		UID: e.UID, URL: e.URL, Description: e.Description, Version: e.Version,
		ThrottleRate: e.ThrottleRate, Disabled: e.Disabled, FIFO: e.FIFO,
		EventTypes: e.EventTypes, Channels: e.Channels, Metadata: e.Metadata,
	}
}

// EndpointCreate creates an endpoint.
func (s *Service) EndpointCreate(ctx context.Context, scope Scope, appRef string, in EndpointIn) (e Endpoint, err error) {
	app, err := s.changeable(ctx, scope, CapabilityManageEndpoint, appRef)
	if err != nil {
		return e, err
	}
	if err := s.rules.validate(&in, ""); err != nil {
		return e, err
	}
	now := s.now()
	e = Endpoint{
		AppID: app.ID, ID: NewEndpointID(now), Secret: in.Secret, Headers: in.Headers, CreatedAt: now,
		OldSecrets: []Secret{}, OldSecretsExpireAt: []time.Time{},
	}
	in.fill(&e, now)
	if e.Secret.IsZero() {
		e.Secret = s.rules.SignatureType.NewSecret()
	}
	if e.Headers == nil {
		e.Headers = Headers{}
	}
	err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		// The application may have been deleted since it was looked up. While it is held, its deletion waits and then
		// finds the endpoint.
		if err := tx.ApplicationHold(ctx, app.OrgID, app.ID); err != nil {
			return noApplication(err, app.OrgID, appRef)
		}
		if err := eventTypesExist(ctx, tx, scope.OrgID, in.EventTypes); err != nil {
			return err
		}
		if err := s.roomForEndpoint(ctx, tx, app.ID); err != nil {
			return err
		}
		if err := tx.EndpointInsert(ctx, e); err != nil {
			return endpointUIDTaken(err, app.OrgID, e.UID)
		}
		return tellOfEndpoint(ctx, tx, app, e, eventEndpointCreated)
	})
	return e, err
}

// roomForEndpoint rejects an endpoint above the application's limit. An application that has more, from a time with
// another limit, keeps them.
func (s *Service) roomForEndpoint(ctx context.Context, tx Tx, app AppID) error {
	if s.rules.EndpointsMost == 0 {
		return nil
	}
	n, err := tx.EndpointCountForInsert(ctx, app, s.rules.EndpointsMost)
	if err == nil && n >= s.rules.EndpointsMost {
		err = TooManyEndpoints(s.rules.EndpointsMost)
	}
	return err
}

// eventTypesExist rejects names that match no event type, so that a misspelt subscription is noticed.
func eventTypesExist(ctx context.Context, r Reader, org OrgID, names []string) error {
	if len(names) == 0 {
		return nil
	}
	known := operationalEventTypes
	if org != OperationalOrg {
		var err error
		if known, err = r.EventTypeNames(ctx, org, names); err != nil {
			return err
		}
	}
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(known, name) })
	if len(missing) > 0 {
		return Invalid("The following event types don't exist: "+strings.Join(missing, ", "), "body", "eventTypes")
	}
	return nil
}

// EndpointGet finds an endpoint by id or uid.
func (s *Service) EndpointGet(ctx context.Context, scope Scope, appRef, ref string) (Endpoint, error) {
	app, err := reachable(ctx, s.store, scope, appRef)
	if err != nil {
		return Endpoint{}, err
	}
	e, err := s.store.EndpointGet(ctx, app.ID, ref)
	return e, noEndpoint(err, app.OrgID, app.ID, ref)
}

// EndpointList lists an application's endpoints in id order.
func (s *Service) EndpointList(ctx context.Context, scope Scope, appRef string, page Page) (List[Endpoint], error) {
	app, err := reachable(ctx, s.store, scope, appRef)
	if err != nil {
		return List[Endpoint]{}, err
	}
	return listLooked(page, func(p Page) ([]Endpoint, string, error) { return s.store.EndpointList(ctx, app.ID, p) })
}

// EndpointUpdate replaces all fields of an endpoint that a client can set, except its secret and headers, or creates
// the endpoint if ref matches none.
func (s *Service) EndpointUpdate(ctx context.Context, scope Scope, appRef, ref string, in EndpointIn) (Endpoint, Created, error) {
	change := func() (Endpoint, error) {
		return s.EndpointPatch(ctx, scope, appRef, ref, func(e *EndpointIn) { *e = in })
	}
	// Either the endpoint does not exist and is created, or the application does not exist and the error says so.
	create := func() (Endpoint, error) { return s.EndpointCreate(ctx, scope, appRef, in) }
	return findOrCreate(isNamed(ref, in.UID), change, create)
}

// EndpointPatch applies change to an endpoint. Fields that change does not set stay as they are. Deliveries that
// were pending when the endpoint was disabled are dropped before it is enabled again, some at a time; if this is
// interrupted, the next call continues.
func (s *Service) EndpointPatch(ctx context.Context, scope Scope, appRef, ref string, change func(*EndpointIn)) (e Endpoint, err error) {
	app, err := s.changeable(ctx, scope, CapabilityManageEndpoint, appRef)
	if err != nil {
		return e, err
	}
	for done := false; !done; {
		e, err = s.endpointChange(ctx, app, ref, func(ctx context.Context, tx Tx, e *Endpoint) (told []string, err error) {
			told, err = s.endpointPatch(ctx, tx, scope, e, change)
			done = told != nil
			return told, err
		})
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

// changeable returns the application that ref names, if the token has the capability to change its endpoints in this
// way.
func (s *Service) changeable(ctx context.Context, scope Scope, way Capability, ref string) (Application, error) {
	if err := scope.may(way); err != nil {
		return Application{}, err
	}
	return reachable(ctx, s.store, scope, ref)
}

// endpointChange locks an endpoint, changes it in one unit of work, and notifies its organisation of the events that
// change returns.
func (s *Service) endpointChange(
	ctx context.Context, app Application, ref string, change func(context.Context, Tx, *Endpoint) (eventTypes []string, err error),
) (e Endpoint, err error) {
	err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if e, err = tx.EndpointLock(ctx, app.ID, ref); err != nil {
			return noEndpoint(err, app.OrgID, app.ID, ref)
		}
		eventTypes, err := change(ctx, tx, &e)
		if err != nil {
			return err
		}
		return tellOfEndpoint(ctx, tx, app, e, eventTypes...)
	})
	return e, err
}

// endpointPatch changes an endpoint and returns the events to report, or drops some of its pending deliveries, which
// is not reported.
func (s *Service) endpointPatch(ctx context.Context, tx Tx, scope Scope, e *Endpoint, change func(*EndpointIn)) (eventTypes []string, err error) {
	in := e.in()
	change(&in)
	uid := in.UID
	in.UID = unlessKept(uid, e.UID)
	if err := s.rules.validate(&in, e.URL); err != nil {
		return nil, err
	}
	in.UID = uid
	if !slices.Equal(in.EventTypes, e.EventTypes) {
		if err := eventTypesExist(ctx, tx, scope.OrgID, in.EventTypes); err != nil {
			return nil, err
		}
	}
	if e.Disabled && !in.Disabled {
		if dropped, err := tx.DeliveryDropByEndpoint(ctx, e.AppID, e.ID); err != nil || dropped == DropMost {
			return nil, err
		}
	}
	was := e.Disabled
	in.fill(e, s.now())
	if err := tx.EndpointUpdate(ctx, *e); err != nil {
		return nil, endpointUIDTaken(err, scope.OrgID, e.UID)
	}
	return changeEvents(was, e.Disabled), nil
}

// EndpointDelete deletes an endpoint. Pending deliveries are dropped; if there are many, workers drop the rest. Its
// attempts stay readable.
func (s *Service) EndpointDelete(ctx context.Context, scope Scope, appRef, ref string) error {
	app, err := s.changeable(ctx, scope, CapabilityManageEndpoint, appRef)
	if err != nil {
		return err
	}
	_, err = s.endpointChange(ctx, app, ref, func(ctx context.Context, tx Tx, e *Endpoint) ([]string, error) {
		return []string{eventEndpointDeleted}, tx.EndpointDelete(ctx, app.ID, e.ID, s.now())
	})
	return err
}
