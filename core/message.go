package core

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Message is one event that an organisation sent to an application.
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

	ContentType *string    // of its webhooks; nil: JSON
	DeliverAt   *time.Time // when its first attempts are due; nil: at once

	TraceParent *string // the trace it is part of, as in the W3C header of that name; nil: none
}

// MessageReader reads messages.
type MessageReader interface {
	MessageGet(ctx context.Context, app AppID, ref string) (Message, error)
	// MessageGetBare is MessageGet without the payload.
	MessageGetBare(ctx context.Context, app AppID, ref string) (Message, error)
	// MessageGetMany returns the messages that exist among the first n ids. With payloads, n is limited to what a page
	// may hold; if bare, n is all of the ids, and the payloads are left out.
	MessageGetMany(ctx context.Context, app AppID, ids []MessageID, bare bool) (messages []Message, n int, err error)
	// MessageList lists as many messages as fit in a page with their payloads.
	MessageList(ctx context.Context, app AppID, filter MessageFilter, page Page) (rows []Message, ended string, err error)
}

// MessageTx changes messages in a unit of work.
type MessageTx interface {
	// MessageInsert stores a message without deliveries.
	MessageInsert(ctx context.Context, m Message) error
	// MessageExpungeMany removes payloads, and returns the refs that are messages.
	MessageExpungeMany(ctx context.Context, app AppID, refs []string) ([]string, error)
}

// MessageInserter stores messages, those of many callers at a time. It returns once the message, its deliveries and
// its idempotency record are committed. For a known key it returns the message stored first.
type MessageInserter interface {
	MessageInsert(ctx context.Context, m NewMessage) (Message, error)
	// MessageInsertMany stores one caller's messages in a separate statement. It returns one result per message.
	MessageInsertMany(ctx context.Context, messages []NewMessage) []Stored
}

// MessageIn holds the fields of a message that a client can set.
type MessageIn struct {
	EventType   string
	EventID     *string
	Channels    []string
	Tags        []string
	Payload     []byte // as received; stored, signed and sent byte for byte
	Raw         bool   // the payload is arbitrary text, not a JSON object
	ContentType *string
	DeliverAt   *time.Time
	Retention   *time.Duration // how long the payload is kept; nil: 90 days
	TraceParent *string        // the trace it is part of; nil: none

	// Application is the application to create if the path matches none.
	Application *ApplicationIn

	// IdempotencyKey is the client's Idempotency-Key. If a request is repeated within 12 hours, the answer is the
	// message that was stored first. Empty: none.
	IdempotencyKey string
}

const (
	messageChannels  = 10
	messageTags      = 5
	tagChars         = "/\\#" // besides those of names
	tagPattern       = "letters, digits, - _ . / \\ #"
	contentTypeBytes = 256

	retentionLeast   = time.Hour
	retentionMost    = 90 * 24 * time.Hour
	deliverInAtLeast = time.Minute
	deliverInAtMost  = 24 * time.Hour
)

func (in MessageIn) validate(now time.Time) error {
	var c checks
	c.pathName(in.EventType, "eventType")
	if in.EventID != nil {
		c.pathName(*in.EventID, "eventId")
		c.body(!strings.HasPrefix(*in.EventID, messagePrefix),
			"eventId must not begin with msg_, as message ids do; put _ before it", "eventId")
	}
	c.names(in.Channels, messageChannels, channelChars, channelPattern, "channels")
	c.names(in.Tags, messageTags, tagChars, tagPattern, "tags")
	c.payload(in.Payload, in.Raw)
	if in.ContentType != nil {
		ok := *in.ContentType != "" && len(*in.ContentType) <= contentTypeBytes && isFieldValue(*in.ContentType)
		c.body(ok, "content-type must be 1 to 256 bytes that an HTTP header value may hold", "transformationsParams", "headers", "content-type")
	}
	c.body(in.Retention == nil || *in.Retention >= retentionLeast && *in.Retention <= retentionMost,
		"A payload can be kept for 1 hour to 90 days", "payloadRetentionPeriod")
	c.body(in.DeliverAt == nil || !in.DeliverAt.Before(now.Add(deliverInAtLeast)) && !in.DeliverAt.After(now.Add(deliverInAtMost)),
		"deliverAt must be between one minute and 24 hours from now", "deliverAt")
	return c.err()
}

// IsEventID reports whether s can be an event id, the sender's own name for a message.
func IsEventID(s string) bool {
	var c checks
	c.pathName(s)
	return c.err() == nil && !IsMessageID(s)
}

// payload checks the bytes that will be sent. Postgres stores them as text, which cannot hold a NUL. JSON payloads
// appear in answers, including lists, where an unreadable one would break the whole answer.
func (c *checks) payload(payload []byte, raw bool) {
	loc := []string{"payload"}
	if raw {
		loc = []string{"transformationsParams", "rawPayload"}
	}
	c.body(raw || len(payload) > 0 && payload[0] == '{', "The payload must be a JSON object.", loc...)
	c.body(utf8.Valid(payload), "The payload must be valid UTF-8.", loc...)
	c.body(!bytes.ContainsRune(payload, 0), "The payload must not hold a NUL character.", loc...)
	c.body(depthOf(payload) <= payloadDepthMost || raw && !json.Valid(payload),
		fmt.Sprintf("The payload must not be nested more than %d levels deep.", payloadDepthMost), loc...)
}

// payloadDepthMost is half the depth at which some JSON parsers stop, which is a thousand; Go's stops at ten
// thousand.
const payloadDepthMost = 512

// depthOf returns how deeply the values of a JSON text are nested if that may be too deep, and an upper bound
// otherwise: few texts have so many brackets that they must be examined one by one.
func depthOf(text []byte) int {
	if most := bytes.Count(text, []byte("{")) + bytes.Count(text, []byte("[")); most <= payloadDepthMost {
		return most
	}
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// NewMessage is a message about to be stored, still without its application: the statement that stores it also looks
// that up.
type NewMessage struct {
	Message
	OrgID   OrgID
	AppRef  string // the application's id or uid
	KeyHash []byte // of the idempotency key; nil: none
}

func (in MessageIn) message(org OrgID, appRef string, now time.Time) NewMessage {
	payload := string(in.Payload)
	retention := retentionMost
	if in.Retention != nil {
		retention = *in.Retention
	}
	return NewMessage{
		Message: Message{
			ID: NewMessageID(now), EventID: in.EventID, EventType: in.EventType,
			Channels: in.Channels, Tags: in.Tags, Payload: &payload,
			ExpiresAt: now.Add(retention), CreatedAt: now, ContentType: in.ContentType, DeliverAt: in.DeliverAt,
			TraceParent: in.TraceParent,
		},
		OrgID: org, AppRef: appRef, KeyHash: keyHash(in.IdempotencyKey),
	}
}

// MessageCreate stores a message with its deliveries, and returns only once the commit is on disk. The receiving
// endpoints are chosen at this moment: endpoints created later do not receive the message.
func (s *Service) MessageCreate(ctx context.Context, scope Scope, appRef string, in MessageIn) (Message, error) {
	if err := scope.org(); err != nil {
		return Message{}, err
	}
	now := s.now()
	if err := in.validate(now); err != nil {
		return Message{}, err
	}
	m := in.message(scope.OrgID, appRef, now)
	stored, err := s.inserter.MessageInsert(ctx, m)
	if IsKind(err, KindNotFound) && in.Application != nil {
		if err := s.applicationForMessage(ctx, scope, appRef, *in.Application); err != nil {
			return Message{}, err
		}
		stored, err = s.inserter.MessageInsert(ctx, m)
	}
	return stored, eventIDTaken(noApplication(err, scope.OrgID, appRef), in.EventID)
}

// applicationForMessage creates the application that was sent with a message.
func (s *Service) applicationForMessage(ctx context.Context, scope Scope, appRef string, in ApplicationIn) error {
	if in.UID == nil {
		return mismatch("application_uid_missing", "application.uid is missing; set it to the uid in the path")
	}
	if *in.UID != appRef {
		return mismatch("application_uid_mismatch", "application.uid must be the uid in the path")
	}
	_, _, err := s.ApplicationCreate(ctx, scope, in, true)
	if e, ok := errors.AsType[*Error](err); ok {
		for i := range e.Fields { // the path of each error leads into the message
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
	app, err := reachable(ctx, s.store, scope, appRef)
	if err != nil {
		return Message{}, err
	}
	return s.message(ctx, app.ID, ref)
}

// MessageGetBare is MessageGet without the payload.
func (s *Service) MessageGetBare(ctx context.Context, scope Scope, appRef, ref string) (Message, error) {
	app, err := reachable(ctx, s.store, scope, appRef)
	if err != nil {
		return Message{}, err
	}
	m, err := s.store.MessageGetBare(ctx, app.ID, ref)
	return m, noMessage(err, app.ID, ref)
}

func (s *Service) message(ctx context.Context, app AppID, ref string) (Message, error) {
	m, err := s.store.MessageGet(ctx, app, ref)
	return m.at(s.now()), noMessage(err, app, ref)
}

// at returns the message as it is shown at that time: without an expired payload.
func (m Message) at(now time.Time) Message {
	if !m.ExpiresAt.After(now) {
		m.Payload = nil
	}
	return m
}

// MessagePrecheck reports whether any endpoint would receive a message with that event type and those channels now.
func (s *Service) MessagePrecheck(ctx context.Context, scope Scope, appRef, eventType string, channels []string) (bool, error) {
	if err := scope.org(); err != nil {
		return false, err
	}
	var c checks
	c.pathName(eventType, "eventType")
	c.names(channels, messageChannels, channelChars, channelPattern, "channels")
	if err := c.err(); err != nil {
		return false, err
	}
	app, err := reachable(ctx, s.store, scope, appRef)
	if err != nil {
		return false, err
	}
	return s.store.EndpointWanted(ctx, app.ID, eventType, channels)
}

// MessageFilter narrows a list of messages; its zero value matches all of them.
type MessageFilter struct {
	Channel    string
	Tag        string
	EventTypes []string
}

// IsZero reports whether the filter matches every message.
func (f MessageFilter) IsZero() bool { return f.Channel == "" && f.Tag == "" && len(f.EventTypes) == 0 }

// MessageList lists an application's messages, newest first.
func (s *Service) MessageList(ctx context.Context, scope Scope, appRef string, filter MessageFilter, page Page) (List[Message], error) {
	app, err := reachable(ctx, s.store, scope, appRef)
	if err != nil {
		return List[Message]{}, err
	}
	messages, err := listLooked(page, func(p Page) ([]Message, string, error) {
		return s.store.MessageList(ctx, app.ID, filter, p)
	})
	now := s.now()
	for i := range messages.Data {
		messages.Data[i] = messages.Data[i].at(now)
	}
	return messages, err
}
