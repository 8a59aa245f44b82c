package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Headers, properties or attributes that a dead letter has in addition to those of its message.
const (
	ReasonHeader  = "postrider-reason"   // why the message is a dead letter
	LeftOutHeader = "postrider-left-out" // "headers": the message's headers did not fit
	CutHeader     = "postrider-cut-from" // the body's size in bytes before it was truncated
)

const (
	// A reason may quote its message, and must not double the message's size.
	reasonBytesMost = 1024
	// reasonBytesLeast is the reason's length when the body is truncated. All of our headers then fit into the
	// smallest size limit that a broker can be configured with, such as 1 KiB in SQS.
	reasonBytesLeast = 256

	reasonUnknown = "no reason is known"
)

// Letter says how much of a message a dead letter contains, and what is added to it. The adapter turns it into a
// message.
type Letter struct {
	Headers bool              // the message's headers are included
	About   map[string]string // our headers, to which the adapter adds the origin; nil: neither
	Body    int               // how many bytes of the body are included, from its start
}

// TooLargeError means that a broker rejects a dead letter for its content, usually its size, and would reject it
// again. Any other error means that the destination is unreachable, full or forbidden.
type TooLargeError struct {
	Err  error
	Over int // by how many bytes it is too large; 0: unknown
}

func (e TooLargeError) Error() string { return e.Err.Error() }
func (e TooLargeError) Unwrap() error { return e.Err }

// PutAside stores as much of a message as the destination for dead letters accepts. A message may be as large as its
// broker allows, which leaves no room for a reason, or the destination may allow less; neither may block the messages
// behind it. The headers of the message are dropped first, then ours. The body is truncated only as a last resort; the
// letter then carries the reason again.
//
// whole describes the complete message. put stores a letter, and returns a [TooLargeError] if the broker might accept
// less. It must not retain the letter.
func PutAside(log *slog.Logger, one Settlement, whole Letter, put func(Letter) error) error {
	letter := whole
	letter.About = map[string]string{ReasonHeader: CutReason(one.Reason)}
	refusal := put(letter)
	if !isTooLarge(refusal) {
		return refusal
	}
	letter, err := putLess(letter, refusal, put)
	if err == nil {
		log.Warn("dead letter too large; stored in part", "topic", one.Message.Topic,
			"position", one.Message.Position, "left_out", letter.lack(whole), "reason", CutReason(one.Reason), "error", refusal)
	}
	return err
}

// putLess retries a letter that was rejected with less and less content, until it is accepted.
func putLess(letter Letter, err error, put func(Letter) error) (Letter, error) {
	if letter.Headers {
		letter.Headers = false
		letter.About[LeftOutHeader] = "headers"
		err = put(letter)
	}
	n, tooLarge := over(err)
	if !tooLarge {
		return letter, err
	}
	bare := Letter{Body: letter.Body}
	if err := put(bare); !isTooLarge(err) {
		return bare, err
	}
	letter.About[ReasonHeader] = cut(letter.About[ReasonHeader], reasonBytesLeast)
	letter.About[CutHeader] = strconv.Itoa(letter.Body)
	for ; tooLarge && letter.Body > 0; n, tooLarge = over(err) {
		letter.Body -= min(cmp.Or(n, (letter.Body+1)/2), letter.Body)
		err = put(letter)
	}
	return letter, err
}

// over reports whether an error means that a letter is too large, and by how many bytes.
func over(err error) (bytes int, tooLarge bool) {
	e, tooLarge := errors.AsType[TooLargeError](err)
	return e.Over, tooLarge
}

func isTooLarge(err error) bool {
	_, is := over(err)
	return is
}

// lack describes what the letter leaves out of the whole.
func (l Letter) lack(whole Letter) string {
	var lack []string
	if whole.Headers && !l.Headers {
		lack = append(lack, "headers")
	}
	if l.About == nil {
		lack = append(lack, "reason")
	}
	if l.Body < whole.Body {
		lack = append(lack, fmt.Sprintf("%d of %d bytes of the body", whole.Body-l.Body, whole.Body))
	}
	return strings.Join(lack, ", ")
}

// CutReason returns the reason as a dead letter carries it: short, valid UTF-8 and never empty.
func CutReason(reason string) string {
	return cmp.Or(cut(reason, reasonBytesMost), reasonUnknown)
}

func cut(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}
