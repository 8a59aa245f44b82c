package store

import "slices"

// planExceptions are the queries that break a bound, each with the reason. Remove a line once its query holds.
var planExceptions = map[string]string{}

// withoutPlans are the queries that have no plan to speak of, each with the reason.
var withoutPlans = map[string]string{
	"AttemptCountLock":           "takes a lock",
	"AttemptCountTryLock":        "takes a lock",
	"ConnectionLimitAnyTenant":   "settings only",
	"ConnectionPrepareAnyTenant": "settings only",
	"DeliveryListenAnyTenant":    "LISTEN is not planned",
	"DeliveryRecall":             "NOTIFY only",
	"EventTypeImportLock":        "takes a lock",
	"MigrateLockAnyTenant":       "takes a lock",
	"OutboxLockTimeoutAnyTenant": "settings only",
	"PartitionCreateAnyTenant":   "calls a function that makes a table",

	"PartitionAttemptAnalyzeAnyTenant": "ANALYZE is not planned",
	"PartitionMessageAnalyzeAnyTenant": "ANALYZE is not planned",
	"PartitionStatisticsGetAnyTenant":  "reads the statistics collector",
	"PartitionStatisticsLockAnyTenant": "takes a lock",
	"ServerSpaceAnyTenant":             "writes a temporary file",
	"ServerTimeAnyTenant":              "the clock only",
	"ServerVersionAnyTenant":           "settings only",
	"TablePagesAnyTenant":              "asks for the size of a file",
}

// cases are the queries with their parameters, file by file.
func (s *seeded) cases() []queryCase {
	return slices.Concat(
		applicationCases(), attemptCases(), attemptCountCases(), taskCases(), deliveryCases(), destinationCases(), endpointCases(),
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
