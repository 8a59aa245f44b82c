package store

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

// eachQuery calls do for each statement of queries/, with its lines.
func eachQuery(t *testing.T, do func(file, name string, lines []string)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "queries", "*.sql"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range strings.Split("\n"+string(text), "\n-- name: ")[1:] {
			name, _, _ := strings.Cut(statement, " ")
			do(filepath.Base(path), name, strings.Split(statement, "\n")[1:])
		}
	}
}

// cutComment splits a line of SQL into code and comment.
func cutComment(line string) (code, comment string) {
	code, comment, _ = strings.Cut(line, "--")
	return strings.TrimRight(code, " "), strings.TrimSpace(comment)
}

var (
	queueLine = regexp.MustCompile(`\bqueue (?:=|<>|<|>) (?:CASE |ANY \('\{|\d)|\bfifo THEN \d|\bAS kind\(queue\)|\d::smallint AS queue\b`)
	digit     = regexp.MustCompile(`\b\d\b`)
)

// TestQueueNumbersAreNamed checks that every line with queue numbers names them in a comment, as core does, in order
// and each once.
func TestQueueNumbersAreNamed(t *testing.T) {
	t.Parallel()
	lines := 0
	eachQuery(t, func(file, name string, statement []string) {
		for _, line := range statement {
			code, comment := cutComment(line)
			if !queueLine.MatchString(code) {
				continue
			}
			lines++
			var want []string
			for _, number := range digit.FindAllString(code[strings.IndexAny(code, "0123456789"):], -1) {
				n, _ := strconv.Atoi(number) // digits
				if kind := core.QueueKind(n).String(); !slices.Contains(want, kind) {
					want = append(want, kind)
				}
			}
			names, _, _ := strings.Cut(comment, ":")
			if names != strings.Join(want, ", ") {
				t.Errorf("%s of queries/%s: %q is commented %q, want %q", name, file, code, comment, strings.Join(want, ", "))
			}
		}
	})
	if lines < 20 {
		t.Errorf("%d lines have numbers of queues; there were 25", lines)
	}
}

// sameOrder contains the orders that a list has in both directions, with the reasons.
var sameOrder = map[string]string{
	"ORDER BY attempt.id DESC":                           "the latest attempt",
	"ORDER BY attempted.endpoint_id, attempted.id DESC":  "the latest attempt of each endpoint",
	"ORDER BY delivery.message_id, delivery.endpoint_id": "one row by its key",
}

var flipped = strings.NewReplacer(" DESC", "", " < (", " > (", " >= @", " <= @", "@before::", "@after::")

// TestListsDifferInDirectionOnly compares the two statements of each list, one per direction, line by line.
func TestListsDifferInDirectionOnly(t *testing.T) {
	t.Parallel()
	code := map[string][]string{}
	eachQuery(t, func(_, name string, statement []string) {
		for _, line := range statement {
			if c, _ := cutComment(line); c != "" {
				code[name] = append(code[name], c)
			}
		}
	})
	pairs := 0
	for name, ascending := range code {
		list, is := strings.CutSuffix(name, "Ascending")
		if !is {
			continue
		}
		pairs++
		descending := code[list+"Descending"]
		if len(ascending) != len(descending) {
			t.Errorf("%s has %d lines ascending and %d descending", list, len(ascending), len(descending))
			continue
		}
		for i, up := range ascending {
			down := descending[i]
			switch order := strings.TrimSpace(up); {
			case up == down && strings.Contains(up, "ORDER BY") && sameOrder[order] == "":
				t.Errorf("%s has %q in both directions", list, order)
			case up != down && flipped.Replace(up) != flipped.Replace(down):
				t.Errorf("%s: %q ascending, %q descending", list, up, down)
			}
		}
	}
	if pairs < 10 {
		t.Errorf("%d lists have two directions; there were 10", pairs)
	}
}
