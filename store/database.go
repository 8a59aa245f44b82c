package store

import (
	"cmp"
	"errors"
	"regexp"
	"strings"
)

// SchemaDefault is the schema of [Database] unless another one is given.
const SchemaDefault = "postrider"

// Database says where the tables of a Postrider are.
type Database struct {
	URL    string // a URL or keywords and values
	Schema string // of all tables, functions and migrations; SchemaDefault if empty

	Pooler      Pooler // between us and the server of URL
	DirectURL   string // leads to the same database without a pooler, to listen and to migrate; URL if empty
	Application string // shown in pg_stat_activity unless URL names another; "postrider" if empty
}

// schemaName allows names that need no quotes in SQL, and leaves room for the suffixes of role names.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,47}$`)

// CheckSchema returns an error if a schema of this name cannot hold a Postrider.
func CheckSchema(name string) error {
	if !schemaName.MatchString(name) {
		return errors.New("must be 1 to 48 lower-case letters, digits and underscores, and not begin with a digit")
	}
	if strings.HasPrefix(name, "pg_") || name == "information_schema" {
		return errors.New("the name is reserved by Postgres")
	}
	return nil
}

func (d Database) schema() string { return cmp.Or(d.Schema, SchemaDefault) }

// searchPath is the search_path of every connection, whatever the URL or the role says: names in queries are not
// qualified, and nothing may find tables of another schema. Temporary tables come last, so that they hide none.
func (d Database) searchPath() string { return d.schema() + ", pg_temp" }
