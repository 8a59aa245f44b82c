package store

import "slices"

// planExceptions are the queries that break a bound and are being mended, each with the point of issue 15 that
// says so. Remove a line once its query holds.
var planExceptions = map[string]string{
	"AttemptCount":                        "point 5 (lists): counts one by one",
	"AttemptListByEndpointAscending":      "point 5 (lists): reads on until the page is full",
	"AttemptListByEndpointDescending":     "point 5 (lists): reads on until the page is full",
	"DeliveryClaimManyAnyTenant":          "points 1 and 2 (queue): a plan that statistics make a scan",
	"DeliveryDropManyAnyTenant":           "points 1 and 2 (queue): a plan that statistics make a scan",
	"DeliveryDropUnsendableManyAnyTenant": "points 1 and 2 (queue): a plan that statistics make a scan",
	"DeliveryDueMany":                     "points 1 and 2 (queue): a plan that statistics make a scan",
	"DeliveryFinishMany":                  "points 1 and 2 (queue): a plan that statistics make a scan",
	"DeliveryOwedListAnyTenant":           "points 1 and 2 (queue): a plan that statistics make a scan",
	"DeliveryPostponeMany":                "points 1 and 2 (queue): a plan that statistics make a scan",
	"DeliveryRecordMany":                  "points 1 and 2 (queue): a plan that statistics make a scan",
	"DeliveryReleaseMany":                 "points 1 and 2 (queue): a plan that statistics make a scan",
	"MessageExpungeMany":                  "point 5 (lists): looks at each partition for each message",
	"MessageGetMany":                      "point 5 (lists): a generic plan reads the application",
	"MessageInsertMany":                   "point 5 (storing): reads every endpoint of the application for each message",
	"MessageListAscending":                "point 5 (lists): reads on until the page is full",
	"MessageListDescending":               "point 5 (lists): reads on until the page is full",
}

// withoutPlans are the queries that have no plan to speak of, each with the reason.
var withoutPlans = map[string]string{
	"ConnectionPrepareAnyTenant": "settings only",
	"DeliveryListenAnyTenant":    "LISTEN is not planned",
	"DeliveryRecall":             "NOTIFY only",
	"EventTypeImportLock":        "takes a lock",
	"MigrateLockAnyTenant":       "takes a lock",
	"OutboxLockTimeoutAnyTenant": "settings only",
	"PartitionCreateAnyTenant":   "calls a function that makes a table",
	"ServerVersionAnyTenant":     "settings only",
	"TablePagesAnyTenant":        "asks for the size of a file",
}

// cases are the queries with their parameters, file by file.
func (s *seeded) cases() []queryCase {
	return slices.Concat(
		attemptCases(), deliveryCases(), messageCases(),
	)
}

// A page of 50 and one more, as lists ask for, and ids before the first and after the last.
const (
	planPageRows = 51
	beforeAll    = ""
	afterAll     = "~"
)

// times makes n of something.
func times[T any](n int, one func(i int) T) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = one(i)
	}
	return list
}

// always is the same n times.
func always[T any](n int, value T) []T { return slices.Repeat([]T{value}, n) }
