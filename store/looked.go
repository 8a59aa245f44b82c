package store

import "github.com/postrider/postrider/core"

// A list may filter rows by conditions that no index covers. It then reads its index in order and looks at a bounded
// number of rows per page. If it has found too few by then, the page ends early, and the next page continues from
// there.
const (
	// lookedMost is for rows that contain what the filter needs: 3 us each, 15 ms if all are in memory. Reading 5,000
	// random pages from a good disk, at 0.1 ms each, takes half a second.
	lookedMost = 5000

	// lookedUpMost is for rows that each need a look-up of a message in the partition that holds it: 4 pages and
	// 15 us each, 15 ms in total; twice that in a list of two statuses.
	lookedUpMost = 1000

	// lookedFarMost is for messages that each need a look-up in every partition that may hold an attempt at them:
	// 60 pages in the 20 partitions of 90 days, 60 us each, 18 ms in total. It exceeds the size of a page, so that a
	// page of failures alone can be full.
	lookedFarMost = 300

	// lookedAttemptsMost is how many attempts at one message are read, which are stored next to each other: 2,000
	// endpoints with ten attempts each. Endpoints with only older attempts are not listed as destinations.
	lookedAttemptsMost = 20_000
)

// pageBytesMost is how many bytes a page may hold, plus one row: two payloads of the largest size. Converting it to
// JSON takes several times as much memory.
const pageBytesMost = 4 << 20

// looked returns the matching entities of a statement that looks at a bounded number of rows. If the statement
// stopped at that bound, ended is the key of the last row that it looked at.
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

// look returns how many rows to look at for a page: page.Look if it is set, otherwise most.
func look(page core.Page, most int32) int32 {
	if page.Look > 0 {
		return int32(page.Look)
	}
	return most
}
