package core

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Message is one event an organisation sent to an application.
type Message struct {
	AppID     AppID
	ID        MessageID
	EventID   *string // the sender's own name for it; unique in the application
	EventType string
	Channels  []string // nil: none
	Tags      []string // nil: none
	Payload   *string  // the sender's exact bytes; nil once it has expired or was expunged
	ExpiresAt time.Time
	CreatedAt time.Time
}

// MessageIn is what a client says of a message.
type MessageIn struct {
	EventType     string
	EventID       *string
	Channels      []string
	Tags          []string
	Payload       []byte // JSON as received: stored, signed and sent byte for byte
	RetentionDays int    // how long the payload is kept; 0: the default

	// Application is the application to make when the path names none.
	Application *ApplicationIn

	// IdempotencyKey is the client's Idempotency-Key: sent again within 12 hours, the answer is the
	// message that was stored first. Empty: none.
	IdempotencyKey string
}

const (
	messageChannels  = 10
	messageTags      = 5
	tagChars         = "/\\#" // beside those of names
	tagPattern       = "[a-zA-Z0-9\\-_./\\\\#]"
	retentionDefault = 90 // days
	retentionMost    = 90
)

func (in MessageIn) validate() error {
	var c checks
	c.name(in.EventType, "eventType")
	if in.EventID != nil {
		c.name(*in.EventID, "eventId")
		c.body(!strings.HasPrefix(*in.EventID, messagePrefix),
			"Uids are not allowed to have the same prefix as the ID. Prefix with _?", "eventId")
	}
	c.names(in.Channels, messageChannels, channelChars, channelPattern, "channels")
	c.names(in.Tags, messageTags, tagChars, tagPattern, "tags")
	c.body(len(in.Payload) > 0 && in.Payload[0] == '{', "Payload must be an object.", "payload")
	c.body(utf8.Valid(in.Payload), "Payload must be valid UTF-8.", "payload")
	c.body(in.RetentionDays >= 0 && in.RetentionDays <= retentionMost,
		"payloadRetentionPeriod must be between 1 and 90 days", "payloadRetentionPeriod")
	return c.err()
}

// NewMessage is a message on its way into the store, still without its application: the statement
// that stores it finds that too.
type NewMessage struct {
	Message
	OrgID   OrgID
	AppRef  string // the application's id or uid
	KeyHash []byte // of the idempotency key; nil: none
}

func (in MessageIn) message(org OrgID, appRef string, now time.Time) NewMessage {
	payload := string(in.Payload)
	days := in.RetentionDays
	if days == 0 {
		days = retentionDefault
	}
	return NewMessage{
		Message: Message{
			ID: NewMessageID(now), EventID: in.EventID, EventType: in.EventType,
			Channels: in.Channels, Tags: in.Tags, Payload: &payload,
			ExpiresAt: now.AddDate(0, 0, days), CreatedAt: now,
		},
		OrgID: org, AppRef: appRef, KeyHash: keyHash(in.IdempotencyKey),
	}
}

// keyHash makes keys of any length into 32 bytes; the key alone decides, whatever the body.
func keyHash(key string) []byte {
	if key == "" {
		return nil
	}
	hash := sha256.Sum256([]byte(key))
	return hash[:]
}

// IdempotencyLifetime is how long the answer to an idempotency key is repeated.
const IdempotencyLifetime = 12 * time.Hour

// MessageCreate stores a message with the deliveries it is owed, and returns only once the commit
// that holds them is on disk. Who gets it is decided here and now: an endpoint made later does not.
func (s *Service) MessageCreate(ctx context.Context, scope Scope, appRef string, in MessageIn) (Message, error) {
	if err := scope.org(); err != nil {
		return Message{}, err
	}
	if err := in.validate(); err != nil {
		return Message{}, err
	}
	m := in.message(scope.OrgID, appRef, s.now())
	stored, err := s.Messages.MessageInsert(ctx, m)
	if IsKind(err, KindNotFound) && in.Application != nil {
		if err := s.applicationForMessage(ctx, scope, appRef, *in.Application); err != nil {
			return Message{}, err
		}
		stored, err = s.Messages.MessageInsert(ctx, m)
	}
	return stored, err
}

// applicationForMessage makes the application a message came with.
func (s *Service) applicationForMessage(ctx context.Context, scope Scope, appRef string, in ApplicationIn) error {
	if in.UID == nil {
		return mismatch("application_uid_missing", "Application UID not set in body")
	}
	if *in.UID != appRef {
		return mismatch("application_uid_mismatch", "Application UID in the path and body must match")
	}
	_, _, err := s.ApplicationCreate(ctx, scope, in, true)
	if e, ok := errors.AsType[*Error](err); ok {
		for i := range e.Fields { // what is wrong is wrong inside the message
			e.Fields[i].Loc = slices.Insert(e.Fields[i].Loc, 1, "application")
		}
	}
	return err
}

func mismatch(kind, message string) *Error {
	return invalid([]Field{{Loc: []string{"body", "application", "uid"}, Message: message, Type: kind}})
}

// MessageGet finds a message by id or event id.
func (s *Service) MessageGet(ctx context.Context, scope Scope, appRef, ref string) (Message, error) {
	app, err := reachable(ctx, s.Store, scope, appRef)
	if err != nil {
		return Message{}, err
	}
	return s.message(ctx, app.ID, ref)
}

func (s *Service) message(ctx context.Context, app AppID, ref string) (Message, error) {
	m, err := s.Store.MessageGet(ctx, app, ref)
	if err == nil && !m.ExpiresAt.After(s.now()) {
		m.Payload = nil
	}
	return m, err
}

// MessageFilter narrows a list of messages; its zero value does not.
type MessageFilter struct {
	Channel    string
	Tag        string
	EventTypes []string
}

// MessageList lists an application's messages, newest first.
func (s *Service) MessageList(ctx context.Context, scope Scope, appRef string, filter MessageFilter, page Page) (List[Message], error) {
	app, err := reachable(ctx, s.Store, scope, appRef)
	if err != nil {
		return List[Message]{}, err
	}
	messages, err := list(page, func(p Page) ([]Message, error) { return s.Store.MessageList(ctx, app.ID, filter, p) })
	now := s.now()
	for i := range messages.Data {
		if m := &messages.Data[i]; !m.ExpiresAt.After(now) {
			m.Payload = nil
		}
	}
	return messages, err
}
