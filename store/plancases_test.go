package store

import "slices"

// planExceptions are the queries that break a bound and are being mended, each with the point of issue 15 that
// says so. Remove a line once its query holds.
var planExceptions = map[string]string{
	"ApplicationListAscending":             "point 5 (lists): an organisation without applications reads those of all",
	"ApplicationListDescending":            "point 5 (lists): an organisation without applications reads those of all",
	"ApplicationResolveMany":               "point 5 (tasks): reads the organisation",
	"AttemptCount":                         "point 5 (lists): counts one by one",
	"AttemptListByEndpointAscending":       "point 5 (lists): a filter reads on until the page is full",
	"AttemptListByEndpointDescending":      "point 5 (lists): a filter reads on until the page is full",
	"AttemptedMessageListAscending":        "point 5 (lists): a filter reads on until the page is full",
	"AttemptedMessageListDescending":       "point 5 (lists): a filter reads on until the page is full",
	"AttemptedMessageListFailedAscending":  "point 5 (lists): sorts all that failed",
	"AttemptedMessageListFailedDescending": "point 5 (lists): sorts all that failed",
	"DeliveryClaimManyAnyTenant":           "points 1 and 2 (queue): reads the application, or the index of an empty queue",
	"DeliveryDropManyAnyTenant":            "point 2 (queue): does not end where the queue is taken for empty",
	"DeliveryDropUnsendableManyAnyTenant":  "point 2 (queue): the deletion is a scan where the queue is taken for empty",
	"DeliveryDueMany":                      "point 2 (queue): a scan where the queue is taken for empty",
	"DeliveryFinishMany":                   "point 2 (queue): a scan where the queue is taken for empty",
	"DeliveryOwedListAnyTenant":            "point 2 (queue): a scan for each queue",
	"DeliveryPostponeMany":                 "point 2 (queue): a scan where the queue is taken for empty",
	"DeliveryRecordMany":                   "point 2 (queue): a scan where the queue is taken for empty",
	"DeliveryReleaseMany":                  "point 2 (queue): a scan where the queue is taken for empty",
	"DeliverySequenceManyAnyTenant":        "point 2 (queue): a scan where the queue is taken for empty",
	"DestinationListAscending":             "point 5 (lists): a generic plan reads the application",
	"DestinationListDescending":            "point 5 (lists): a generic plan reads the application",
	"EndpointWanted":                       "point 5 (storing): reads every endpoint of the application",
	"EventTypeNames":                       "point 5 (tasks): reads the organisation",
	"MessageExpungeMany":                   "point 5 (lists): looks at each partition for each message",
	"MessageGetMany":                       "point 5 (lists): a generic plan reads the application",
	"MessageInsertMany":                    "point 5 (storing): reads every endpoint of the application for each message",
	"MessageListAscending":                 "point 5 (lists): a filter reads on until the page is full",
	"MessageListDescending":                "point 5 (lists): a filter reads on until the page is full",
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
		applicationCases(), attemptCases(), taskCases(), deliveryCases(), destinationCases(), endpointCases(),
		eventTypeCases(), idempotencyCases(), laneCases(), messageCases(), eventCases(), outboxCases(), secretCases(),
		revocationCases(), partitionCases(),
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
