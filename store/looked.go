package store

import "github.com/postrider/postrider/core"

// A list leaves out rows by what no index knows. It reads its index in order, looks at a bounded number of rows
// for a page, and ends the page early if it has found too few by then; the next page goes on from there.
const (
	// lookedMost is for rows that show what is asked of them: 3 us each, 15 ms where all are in memory. 5,000 random
	// pages of 0.1 ms each from a disk that is good for it are half a second.
	lookedMost = 5000

	// lookedUpMost is for rows that each cost a look-up of a message, in the partition that holds it: 4 pages and
	// 15 us each, 15 ms; twice that in a list of two statuses.
	lookedUpMost = 1000

	// lookedFarMost is for messages that each cost a look-up in every partition that may hold an attempt at them:
	// 60 pages in the 20 partitions of 90 days, 60 us each, 18 ms. More than a page has, so that one of failures alone can be full.
	lookedFarMost = 300

	// lookedAttemptsMost is how many attempts at one message are read, which are next to each other: 2,000 endpoints
	// with ten attempts each. Endpoints whose attempts are all older are not listed as destinations.
	lookedAttemptsMost = 20_000
)

// pageBytesMost is how much a page may hold, and one row more: two payloads of the largest size. Becoming JSON, it takes
// several times as much memory.
const pageBytesMost = 4 << 20

// looked are the entities of a statement that looks at a bounded number of rows: those that match, up to the
// first row that is the last of those that were looked at. ended is the key of that one.
func looked[Row, Entity any](rows []Row, err error, read func(Row) (e Entity, matches bool, ended string)) (list []Entity, ended string, _ error) {
	if err != nil {
		return nil, "", mapError(err)
	}
	list = make([]Entity, 0, len(rows))
	for _, row := range rows {
		e, matches, ended := read(row)
		if matches {
			list = append(list, e)
		}
		if ended != "" {
			return list, ended, nil
		}
	}
	return list, "", nil
}

// look is how many rows to look at for a page: most, unless the page says it.
func look(page core.Page, most int32) int32 {
	if page.Look > 0 {
		return int32(page.Look)
	}
	return most
}
