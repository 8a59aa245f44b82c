package store

import (
	"fmt"
	"strings"
)

// Setting is a setting of Postgres and its value, as SHOW prints it.
type Setting struct{ Name, Value string }

// SessionSettings returns the settings that every session of a Postrider in this schema must have. Without a pooler,
// each connection sets them. Behind a transaction pooler, sessions are shared and the settings come from the role.
func SessionSettings(schema string) []Setting {
	return append([]Setting{{searchPathSetting, Database{Schema: schema}.searchPath()}}, preparedSettings...)
}

// preparedSettings are those of SessionSettings that a connection sets once it is open.
//
// The first five keep plans the same on empty and on full tables. A plan made while delivery is small reads the whole
// table, which a minute of load fills with dead rows. Every query has an index, which sqlc vet checks. Bitmap scans
// are for reading many rows in no order: when statistics said that the queue was empty, one was sorted to find the
// queue's first row. Plans for the values at hand are no better than those for any values, but some statements were
// planned for every second execution, because Postgres takes an array of few elements for cheaper than one of unknown
// length. JIT compilation never pays off for statements of a millisecond, nor do parallel workers: to feed them, a list
// query read and sorted all rows for one page.
//
// The others make Postgres end a transaction whose process froze in the middle, so that nobody waits for its locks
// until it wakes up, and statements that wait too long for a lock, so that they don't keep connections from others.
var preparedSettings = []Setting{
	{"enable_seqscan", "off"},
	{"enable_bitmapscan", "off"},
	{"plan_cache_mode", "force_generic_plan"},
	{"jit", "off"},
	{"max_parallel_workers_per_gather", "0"},
	{"idle_in_transaction_session_timeout", idleInTransaction},
	{"lock_timeout", lockTimeout},
}

// SQL returns the setting as it is written after SET. A list of names, as in search_path, is not quoted.
func (s Setting) SQL() string {
	if s.Name == searchPathSetting {
		return s.Name + " = " + s.Value
	}
	return fmt.Sprintf("%s = '%s'", s.Name, s.Value)
}

const searchPathSetting = "search_path"

// is reports whether the setting has this value. Postgres shows lists as they were written, with or without spaces
// and quotes.
func (s Setting) is(value string) bool {
	if s.Name != searchPathSetting {
		return value == s.Value
	}
	plain := strings.NewReplacer(" ", "", `"`, "")
	return plain.Replace(value) == plain.Replace(s.Value)
}

// settingColumns returns the names and the values of settings.
func settingColumns(settings []Setting) (names, values []string) {
	for _, s := range settings {
		names, values = append(names, s.Name), append(values, s.Value)
	}
	return names, values
}
