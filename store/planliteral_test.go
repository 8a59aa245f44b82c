package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/postrider/postrider/core"
)

// literals formats arguments as SQL, because EXECUTE takes no parameters. Postgres gives each literal the type of the
// parameter it stands for.
func literals(types *pgtype.Map, oids []uint32, args []any) (string, error) {
	if len(oids) != len(args) {
		return "", fmt.Errorf("%d arguments for %d parameters", len(args), len(oids))
	}
	texts := make([]string, len(args))
	for i, arg := range args {
		// Start with an empty slice, because a nil one would remain nil for an empty text.
		text, err := types.Encode(oids[i], pgtype.TextFormatCode, arg, []byte{})
		if err != nil {
			return "", fmt.Errorf("parameter %d: %w", i+1, err)
		}
		texts[i] = "NULL"
		if text != nil {
			texts[i] = "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
		}
	}
	return strings.Join(texts, ", "), nil
}

func TestLiteralsKeepTheirValues(t *testing.T) {
	t.Parallel()
	oids := []uint32{pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.ByteaArrayOID, pgtype.TextArrayOID, pgtype.TimestamptzOID, pgtype.Int4OID}
	args := []any{core.AppID("app'1"), "", (*string)(nil), [][]byte{{0, 255}}, []string{`a"b`, ""}, time.Unix(0, 0).UTC(), int32(7)}
	const want = `'app''1', '', NULL, '{"\\x00ff"}', '{"a\"b",""}', '1970-01-01 00:00:00Z', '7'`
	got, err := literals(pgtype.NewMap(), oids, args)
	if err != nil || got != want {
		t.Errorf("literals: %s, %v; want %s", got, err, want)
	}
}
