package store

import (
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// planned is a case with its readings.
type planned struct {
	queryCase
	readings []configured
}

// configured is a reading, with the statistics of the queue's table and the mode that it was made under.
type configured struct {
	statistics, mode string
	reading
}

// figures contains the figures of a committed file by case, configurations and path.
type figures map[string]int

var (
	figureLine   = regexp.MustCompile(`^ *(.*): at most (\d+) (?:rows|buffers)$`)
	planFileHead = `# What each query reads, written by go test ./store -run TestPlans -update.
# For each case: how many rows it returns or writes, the buffers it reads, and the rows it reads by each way,
# in the plan for any parameters, which the service uses (generic), and in that for the parameters at hand
# (custom). Where it matters, also with pg_class of delivery and its indexes set to other numbers of pages and
# rows, as after a vacuum of an empty queue (1, 0). Figures are rounded up, and stay as they are while what is
# measured is between a quarter of them and them.
`
)

// parseFigures parses the figures in a file that render wrote.
func parseFigures(file string) figures {
	f := figures{}
	var query, group string
	for line := range strings.SplitSeq(file, "\n") {
		if line != "" && line[0] != ' ' && line[0] != '#' {
			query = line
		}
		match := figureLine.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		n, _ := strconv.Atoi(match[2]) // digits
		if strings.HasSuffix(line, "buffers") {
			group = query + "\n" + match[1]
			f[group] = n
			continue
		}
		f[group+"\n"+match[1]] = n
	}
	return f
}

// round keeps an old figure that still holds. A new figure gets a quarter of headroom, so that it holds for a while.
// No figure is less than least, because smaller ones only show whether a page was split.
func (f figures) round(key string, n, least int) int {
	if old, is := f[key]; is && n <= old && (n > old/4 || old == least) {
		return old
	}
	return max(least, 1<<bits.Len(uint((n*5+3)/4-1)))
}

// render writes a file about the cases of one file of queries, in order.
func render(cases []planned, old figures) string {
	var file strings.Builder
	file.WriteString(planFileHead)
	for _, c := range cases {
		query := c.query + ": " + c.name
		fmt.Fprintf(&file, "\n%s\n", query)
		// Its figures would depend on the machine, because some such queries are cancelled and some are not.
		if reason, expected := planExceptions[c.query]; expected {
			fmt.Fprintf(&file, "    not recorded: %s\n", reason)
			continue
		}
		for _, group := range groups(c.readings) {
			head := fmt.Sprintf("%d rows, %s", group[0].returned, configurations(group))
			if group[0].endless {
				fmt.Fprintf(&file, "    %s: cancelled after %v\n", configurations(group), planPatience)
				continue
			}
			key := query + "\n" + head
			fmt.Fprintf(&file, "    %s: at most %d buffers\n", head, old.round(key, most(group, func(r reading) int { return r.buffers }), 256))
			for _, way := range group[0].ways() {
				fmt.Fprintf(&file, "        %s", way)
				if strings.Contains(way, ": ") {
					rows := old.round(key+"\n"+way, most(group, func(r reading) int { return r.paths[way] }), 8)
					fmt.Fprintf(&file, ": at most %d rows", rows)
				}
				file.WriteString("\n")
			}
		}
	}
	return file.String()
}

func most(group []configured, figure func(reading) int) (n int) {
	for _, r := range group {
		n = max(n, figure(r.reading))
	}
	return n
}

// groups combines the readings that took the same paths.
func groups(readings []configured) (list [][]configured) {
	for _, r := range readings {
		i := slices.IndexFunc(list, func(group []configured) bool {
			return group[0].returned == r.returned && group[0].endless == r.endless && slices.Equal(group[0].ways(), r.ways())
		})
		if i < 0 {
			i, list = len(list), append(list, nil)
		}
		list[i] = append(list[i], r)
	}
	return list
}

// configurations formats the configurations of a group: "custom; generic with (1, 0), (33, 1)".
func configurations(group []configured) string {
	with := map[string][]string{}
	var modes []string
	for _, r := range group {
		with[r.mode] = append(with[r.mode], r.statistics)
	}
	for _, mode := range planModes {
		if with[mode] != nil {
			modes = append(modes, mode+" with "+strings.Join(with[mode], ", "))
		}
	}
	// Modes with the same statistics are combined: "custom, generic with ...".
	var alike []string
	for i := 0; i < len(modes); {
		name, statistics, _ := strings.Cut(modes[i], " with ")
		j := i + 1
		for ; j < len(modes) && strings.HasSuffix(modes[j], " with "+statistics); j++ {
			other, _, _ := strings.Cut(modes[j], " with ")
			name += ", " + other
		}
		if statistics != asTheyAre {
			name += " with " + statistics
		}
		alike = append(alike, name)
		i = j
	}
	return strings.Join(alike, "; ")
}

// difference lists added and removed lines, each after the line of its case.
func difference(old, fresh string) string {
	a, b := strings.Split(old, "\n"), strings.Split(fresh, "\n")
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := range slices.Backward(a) {
		for j := len(b) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var text strings.Builder
	subject, told := "", ""
	say := func(sign, line string) {
		if subject != told && line != subject {
			fmt.Fprintf(&text, "  %s\n", subject)
		}
		told = subject
		fmt.Fprintf(&text, "%s %s\n", sign, line)
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		line := ""
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			line = a[i]
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			say("-", a[i])
			i++
		default:
			say("+", b[j])
			j++
		}
		if line != "" && line[0] != ' ' {
			subject = line
		}
	}
	return text.String()
}

func TestPlanFiguresStayWhileTheyHold(t *testing.T) {
	t.Parallel()
	c := planned{queryCase: queryCase{query: "MessageGet", name: "one"}, readings: []configured{
		{asTheyAre, "generic", reading{returned: 1, buffers: 390, paths: map[string]int{"message: Index Scan on message_pkey by id": 1}}},
		{asTheyAre, "custom", reading{returned: 1, buffers: 400, paths: map[string]int{"message: Index Scan on message_pkey by id": 1}}},
		{"(1, 0)", "custom", reading{returned: 1, buffers: 400, paths: map[string]int{"message: Index Scan on message_pkey by id": 1}}},
		{"(33, 1)", "custom", reading{returned: 1, buffers: 9, paths: map[string]int{"Update message": 0}}},
	}}
	first := render([]planned{c}, nil)
	const want = "\nMessageGet: one\n" +
		"    1 rows, custom with " + asTheyAre + ", (1, 0); generic: at most 512 buffers\n" +
		"        message: Index Scan on message_pkey by id: at most 8 rows\n" +
		"    1 rows, custom with (33, 1): at most 256 buffers\n" +
		"        Update message\n"
	if got := strings.TrimPrefix(first, planFileHead); got != want {
		t.Errorf("rendered\n%s\nwant\n%s", got, want)
	}
	for buffers, holds := range map[int]bool{512: true, 129: true, 513: false, 128: false} {
		c.readings[0].buffers, c.readings[1].buffers, c.readings[2].buffers = buffers, buffers, buffers
		second := render([]planned{c}, parseFigures(first))
		if (second == first) != holds {
			t.Errorf("%d buffers: holds %t, want %t\n%s", buffers, !holds, holds, difference(first, second))
		}
	}
}
