package world

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// rows are lines in COPY's text format. The format is written by hand because encoding ten million rows value by
// value took longer than Postgres took to read them.
type rows struct {
	buf   bytes.Buffer
	begun bool // a column of the line has been written
}

func (r *rows) column() {
	if r.begun {
		r.buf.WriteByte('\t')
	}
	r.begun = true
}

// text writes text without backslashes and control characters.
func (r *rows) text(s string) { r.column(); r.buf.WriteString(s) }

// escaped writes text that may contain backslashes, such as JSON in JSON.
func (r *rows) escaped(s string) { r.text(strings.ReplaceAll(s, `\`, `\\`)) }

func (r *rows) null() { r.text(`\N`) }

// textOrNull writes text, or NULL for "".
func (r *rows) textOrNull(s string) {
	if s == "" {
		s = `\N`
	}
	r.text(s)
}

func (r *rows) int(n int) {
	r.column()
	r.buf.Write(strconv.AppendInt(r.buf.AvailableBuffer(), int64(n), 10))
}

// intOrNull writes a number, or NULL for 0.
func (r *rows) intOrNull(n int) {
	if n == 0 {
		r.null()
		return
	}
	r.int(n)
}

func (r *rows) bool(b bool) { r.text(strconv.FormatBool(b)) }

func (r *rows) time(t time.Time) {
	r.column()
	r.buf.Write(t.UTC().AppendFormat(r.buf.AvailableBuffer(), "2006-01-02 15:04:05.000000Z"))
}

// timeOrNull writes a time, or NULL for the zero time.
func (r *rows) timeOrNull(t time.Time) {
	if t.IsZero() {
		r.null()
		return
	}
	r.time(t)
}

// list writes an array of names that need no quotes, or NULL for none.
func (r *rows) list(names ...string) {
	if len(names) == 0 {
		r.null()
		return
	}
	r.column()
	for i, name := range names {
		r.buf.WriteByte("{,"[min(i, 1)])
		r.buf.WriteString(name)
	}
	r.buf.WriteByte('}')
}

func (r *rows) bytes(b []byte) {
	r.text(`\\x`)
	r.buf.Write(hex.AppendEncode(r.buf.AvailableBuffer(), b))
}

func (r *rows) end() { r.buf.WriteByte('\n'); r.begun = false }

// copyTo copies the rows to a table and clears them. columns is spelled as in a table definition.
func (r *rows) copyTo(ctx context.Context, conn *pgx.Conn, table, columns string) error {
	if r.buf.Len() == 0 {
		return nil
	}
	_, err := conn.PgConn().CopyFrom(ctx, &r.buf, "COPY "+table+" ("+columns+") FROM STDIN")
	r.buf.Reset()
	if err != nil {
		return fmt.Errorf("copying to %s: %w", table, err)
	}
	return nil
}
