package core

import (
	"context"
	"time"
)

// Reader is what can be read of the store, outside a unit of work and inside one. What is not there
// is an Error of KindNotFound. ref is an id or a uid.
//
// A list that leaves out rows by what no index knows looks at a bounded number of them. ended is the key of the
// last, if it stopped there before the page was full; what follows was not looked at.
type Reader interface {
	ApplicationGet(ctx context.Context, org OrgID, ref string) (Application, error)
	ApplicationList(ctx context.Context, org OrgID, page Page) (rows []Application, ended string, err error)
	// ApplicationFilterMany returns those of the applications that the filter leaves in.
	ApplicationFilterMany(ctx context.Context, filter ApplicationFilter, ids []AppID) ([]AppID, error)

	EventTypeGet(ctx context.Context, org OrgID, name string) (EventType, error)
	EventTypeList(ctx context.Context, org OrgID, filter EventTypeFilter, page Page) (rows []EventType, ended string, err error)
	// EventTypeNames returns those of the names that are event types and not archived.
	EventTypeNames(ctx context.Context, org OrgID, names []string) ([]string, error)

	EndpointGet(ctx context.Context, app AppID, ref string) (Endpoint, error)
	EndpointList(ctx context.Context, app AppID, page Page) (rows []Endpoint, ended string, err error)
	// EndpointWanted tells whether any endpoint gets such a message.
	EndpointWanted(ctx context.Context, app AppID, eventType string, channels []string) (bool, error)
	EndpointStatsGet(ctx context.Context, app AppID, id EndpointID, period StatsPeriod) (EndpointStats, error)
	EndpointAttemptStatsGet(ctx context.Context, app AppID, id EndpointID, period StatsPeriod) (EndpointAttemptStats, error)

	MessageGet(ctx context.Context, app AppID, ref string) (Message, error)
	// MessageGetBare is MessageGet without the payload.
	MessageGetBare(ctx context.Context, app AppID, ref string) (Message, error)
	// MessageGetMany returns those of the first n messages that are there: of as many as a page may hold with their
	// payloads, or if bare, all without them.
	MessageGetMany(ctx context.Context, app AppID, ids []MessageID, bare bool) (messages []Message, n int, err error)
	// MessageList lists as many messages as a page may hold with their payloads.
	MessageList(ctx context.Context, app AppID, filter MessageFilter, page Page) (rows []Message, ended string, err error)

	AttemptGet(ctx context.Context, app AppID, message MessageID, id AttemptID) (Attempt, error)
	AttemptListByEndpoint(ctx context.Context, app AppID, endpoint EndpointID, filter AttemptFilter, page Page) (rows []Attempt, ended string, err error)
	AttemptListByMessage(ctx context.Context, app AppID, message MessageID, filter AttemptFilter, page Page) (rows []Attempt, ended string, err error)

	// AttemptedMessageList lists messages by the attempts at one endpoint, of which none is before first.
	AttemptedMessageList(ctx context.Context, app AppID, endpoint EndpointID, filter AttemptedMessageFilter, first AttemptID, page Page) (rows []LatestAttempt, ended string, err error)
	// DestinationList lists endpoints by the attempts at one message, of which none is before first.
	DestinationList(ctx context.Context, app AppID, message MessageID, first AttemptID, page Page) (rows []Destination, ended string, err error)

	// TokenRevocationExists reports whether anything revokes this token by now.
	TokenRevocationExists(ctx context.Context, token Token, now time.Time) (bool, error)

	BackgroundTaskGet(ctx context.Context, org OrgID, id TaskID) (BackgroundTask, error)
	// BackgroundTaskRunningGet finds the task that keeps t from beginning.
	BackgroundTaskRunningGet(ctx context.Context, t BackgroundTask) (TaskID, error)
	// BackgroundTaskPlaceList looks at up to most places that have running tasks, after one, and returns those where a
	// step may be made. The last one it looked at is where to go on; empty: there are no more.
	BackgroundTaskPlaceList(ctx context.Context, after string, most int, now time.Time) (places []TaskPlace, next string, err error)
	// BackgroundTaskList may leave out data that is large.
	BackgroundTaskList(ctx context.Context, org OrgID, filter BackgroundTaskFilter, page Page) (rows []BackgroundTask, ended string, err error)
	// ApplicationResolveMany returns those of the refs that are applications, with their ids.
	ApplicationResolveMany(ctx context.Context, org OrgID, refs []string) (map[string]AppID, error)
}

// Tx is a unit of work: all of it is committed, or none. Only it can write.
type Tx interface {
	Reader

	// The Lock methods read a row and keep others from changing it until the unit of work ends.
	ApplicationLock(ctx context.Context, org OrgID, ref string) (Application, error)
	// ApplicationLockForDelete also waits for units of work that hold the application.
	ApplicationLockForDelete(ctx context.Context, org OrgID, ref string) (Application, error)
	// ApplicationHold keeps an application from being deleted until the unit of work ends.
	ApplicationHold(ctx context.Context, org OrgID, id AppID) error
	ApplicationInsert(ctx context.Context, app Application) error
	ApplicationUpdate(ctx context.Context, app Application) error
	ApplicationDelete(ctx context.Context, org OrgID, id AppID, now time.Time) error

	EventTypeLock(ctx context.Context, org OrgID, name string) (EventType, error)
	EventTypeInsert(ctx context.Context, t EventType) error
	EventTypeUpdate(ctx context.Context, t EventType) error
	EventTypeDelete(ctx context.Context, org OrgID, name string) error
	// EventTypeImportLock makes the imports of an organisation take turns.
	EventTypeImportLock(ctx context.Context, org OrgID) error
	// EventTypeImport makes an event type or replaces all of it but the flags and the group that it
	// says nothing of, and tells whether that changed anything.
	EventTypeImport(ctx context.Context, t EventType) (changed bool, err error)
	// EventTypeArchiveOthers archives all event types but those named, at most limit of them, and
	// returns them without their schemas.
	EventTypeArchiveOthers(ctx context.Context, org OrgID, names []string, limit int, now time.Time) ([]EventType, error)

	EndpointLock(ctx context.Context, app AppID, ref string) (Endpoint, error)
	// EndpointCountForInsert counts an application's endpoints, up to most, and keeps others from creating one until the
	// unit of work ends.
	EndpointCountForInsert(ctx context.Context, app AppID, most int) (int, error)
	EndpointInsert(ctx context.Context, e Endpoint) error
	EndpointUpdate(ctx context.Context, e Endpoint) error
	EndpointUpdateSecret(ctx context.Context, e Endpoint) error
	EndpointHeadersUpdate(ctx context.Context, e Endpoint) error
	EndpointDelete(ctx context.Context, app AppID, id EndpointID, now time.Time) error

	// MessageInsert stores a message that is owed to nobody yet.
	MessageInsert(ctx context.Context, m Message) error
	// MessageExpungeMany takes out payloads, and returns those of the refs that are messages.
	MessageExpungeMany(ctx context.Context, app AppID, refs []string) ([]string, error)
	AttemptExpunge(ctx context.Context, app AppID, message MessageID, id AttemptID, response string) error

	// DeliveryInsert makes a delivery that is due now, DeliveryResend one that is made by hand.
	DeliveryInsert(ctx context.Context, app AppID, message MessageID, endpoint EndpointID, now time.Time) error
	DeliveryResend(ctx context.Context, app AppID, message MessageID, endpoint EndpointID, now time.Time) error
	// DeliveryDropByEndpoint drops what waits for an endpoint, at most DropMost deliveries, and returns how many those
	// were. EndpointUpdate to disabled, EndpointDelete and ApplicationDelete do as much; workers drop the rest.
	DeliveryDropByEndpoint(ctx context.Context, app AppID, endpoint EndpointID) (int64, error)

	// TokenRevocationInsertMany stores one row for each session, or one if it names none.
	TokenRevocationInsertMany(ctx context.Context, r TokenRevocation) error
	// TokenRevocationSupersede has those about all tokens of an application, or of an organisation, that say no more than
	// this one forgotten once this one is in force.
	TokenRevocationSupersede(ctx context.Context, r TokenRevocation) error

	BackgroundTaskInsert(ctx context.Context, t BackgroundTask) error
	TaskTx
	OperationalTx
	OutboxTx
}

// DropMost bounds what one unit of work drops of what is owed: a tenth of a second of work.
const DropMost = 5000

// Store is the database.
type Store interface {
	Reader
	// InTx runs work as one unit. Work may run more than once, when the database asks for it, and
	// must do nothing but use tx: no network, no sleep.
	InTx(ctx context.Context, work func(context.Context, Tx) error) error
	// Ping tells whether the database answers.
	Ping(ctx context.Context) error
}

// MessageInserter stores messages, many callers' at a time. It returns once the message, its
// deliveries and its idempotency record are committed. For a key that is known it returns the
// message stored then.
type MessageInserter interface {
	MessageInsert(ctx context.Context, m NewMessage) (Message, error)
	// MessageInsertMany stores one caller's messages in a statement of their own. There is one
	// answer for each.
	MessageInsertMany(ctx context.Context, messages []NewMessage) []Stored
}

// Service is the use cases. Each checks what the token may do, then the input, then acts.
type Service struct {
	Store         Store
	Messages      MessageInserter
	Tokens        TokenMaker
	Clock         func() time.Time
	SignatureType SignatureType // of the secrets it generates
	HTTPSOnly     bool          // endpoints must be https
	EndpointsMost int           // of an application; 0: any number
	DomainToASCII DomainToASCII // of endpoints' URLs; nil: they must be ASCII
}

// now is to the microsecond, as Postgres keeps it: what is answered is what will be read back.
func (s *Service) now() time.Time { return s.Clock().UTC().Truncate(time.Microsecond) }

// Now is the service's clock, for adapters that read times relative to it.
func (s *Service) Now() time.Time { return s.now() }
