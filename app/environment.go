package app

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const variablePrefix = "POSTRIDER_"

// unknownVariable is an environment variable that looks like a setting and is not one.
type unknownVariable struct {
	name    string
	similar string // the setting that was probably meant; empty if none is close
}

// serviceVariable matches the variables that Kubernetes sets in every container for a service whose name begins with
// postrider, and Docker for a link.
var serviceVariable = regexp.MustCompile(`^POSTRIDER_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$`)

// unknownVariables returns the environment variables that begin like a setting and are not one, by name. Variables
// that the sources refer to are known.
func unknownVariables(environment []string, settings, referred []string) []unknownVariable {
	var unknown []unknownVariable
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case !strings.HasPrefix(name, variablePrefix), slices.Contains(settings, name), slices.Contains(referred, name):
		case serviceVariable.MatchString(name), strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://"): // a service's address
		default:
			unknown = append(unknown, unknownVariable{name, closest(name, settings)})
		}
	}
	slices.SortFunc(unknown, func(a, b unknownVariable) int { return strings.Compare(a.name, b.name) })
	return unknown
}

// variablesOf returns the variables of all settings of a command and its subcommands.
func variablesOf(node *kong.Node) []string {
	all := map[string]bool{}
	var visit func(*kong.Node)
	visit = func(n *kong.Node) {
		for _, flag := range n.Flags {
			for _, name := range flag.Envs {
				all[name] = true
			}
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(node)
	return slices.Sorted(maps.Keys(all))
}

// referredVariables returns the variables that the sources refer to as ${NAME}.
func (c *Config) referredVariables() []string {
	text, _ := c.sourcesText() // errors were reported when the settings were validated
	var names []string
	for _, match := range variable.FindAllSubmatch(text, -1) {
		names = append(names, string(match[1]))
	}
	return names
}

// typoMost is the largest edit distance at which a name is taken for a misspelt setting. Short names are all similar, so
// it is at most a third of the name after the prefix.
const typoMost = 3

func closest(name string, settings []string) string {
	best, fewest := "", min(typoMost, len(strings.TrimPrefix(name, "POSTRIDER_"))/3)+1
	for _, setting := range settings {
		if n := distance(name, setting); n < fewest {
			best, fewest = setting, n
		}
	}
	return best
}

// distance is the number of letters to replace, insert or delete to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// warnOfUnknown logs a warning for each variable, or, for a command whose standard output is its result, prints one to
// standard error.
func warnOfUnknown(variables []unknownVariable, command *kong.Node, con console) {
	path := commandPath(command)
	for _, v := range variables {
		if slices.Contains(partCommands, path) {
			con.log.Warn("unknown variable ignored", "variable", v.name, "similar", v.similar)
			continue
		}
		hint := ""
		if v.similar != "" {
			hint = "; did you mean " + v.similar + "?"
		}
		fmt.Fprintf(con.err, "postrider: warning: unknown variable %s ignored%s\n", v.name, hint)
	}
}
