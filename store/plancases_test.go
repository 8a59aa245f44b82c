package store

import "slices"

// planExceptions are the queries that break a bound, each with the reason. Remove a line once its query holds.
var planExceptions = map[string]string{}

// withoutPlans lists the queries that have no significant plan, with the reason for each.
var withoutPlans = map[string]string{
	"AttemptCountLock":            "takes a lock",
	"AttemptCountTryLock":         "takes a lock",
	"ConnectionLimitAnyTenant":    "settings only",
	"ConnectionPrepareAnyTenant":  "settings only",
	"SessionSettingsAnyTenant":    "settings only",
	"DeliveryListenAnyTenant":     "LISTEN is not planned",
	"DeliveryRecall":              "NOTIFY only",
	"EventTypeImportLock":         "takes a lock",
	"MigrateLockAnyTenant":        "takes a lock",
	"MigrateLockHolderAnyTenant":  "reads the server's views alone",
	"MigrateMoveHoldersAnyTenant": "reads the server's views alone",
	"MigrateMovePrepareAnyTenant": "settings only",
	"OutboxLockTimeoutAnyTenant":  "settings only",
	"PartitionCreateAnyTenant":    "calls a function that makes a table",

	"PartitionAnalyzeAnyTenant":        "calls a function that analyzes",
	"PartitionStatisticsGetAnyTenant":  "reads the statistics collector",
	"PartitionStatisticsLockAnyTenant": "takes a lock",
	"ServerRightsMissingAnyTenant":     "reads the catalog",
	"ServerSpaceAnyTenant":             "writes a temporary file",
	"ServerTimeAnyTenant":              "the clock only",
	"ServerVersionAnyTenant":           "settings only",
	"StateLimitAnyTenant":              "settings only",
	"StatePartitionsAnyTenant":         "reads the catalog",
	"StateServerAnyTenant":             "calls a function that reads the server's views alone",
	"TablePagesAnyTenant":              "asks for the size of a file",
}

// cases returns the queries with their parameters, file by file.
func (s *seeded) cases() []queryCase {
	return slices.Concat(
		applicationCases(), attemptCases(), attemptCountCases(), taskCases(), deliveryCases(), destinationCases(), endpointCases(),
		eventTypeCases(), idempotencyCases(), laneCases(), messageCases(), eventCases(), outboxCases(), secretCases(),
		revocationCases(), partitionCases(), stateCases(),
	)
}

// Lists request a page of 50 plus one. The other constants are ids before the first and after the last one.
const (
	planPageRows = 51
	beforeAll    = ""
	afterAll     = "~"
)

// times returns a list of n values.
func times[T any](n int, one func(i int) T) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = one(i)
	}
	return list
}

// always returns a list of n times the same value.
func always[T any](n int, value T) []T { return slices.Repeat([]T{value}, n) }
