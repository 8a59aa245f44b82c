package app

import (
	"fmt"
	"math"
	"syscall"
)

// descriptors is how many files and sockets each part of a process may have open. Deliveries must not use up the
// descriptors that the API and the database need, nor may the API's clients use up those of deliveries.
type descriptors struct {
	limit    int // of the process
	attempts int // concurrent attempts
	idle     int // connections to receivers, kept between attempts
	clients  int // connections to the API
}

const (
	// descriptorsOwn is for the standard streams, the runtime, listeners, certificates and hosts files that are read
	// now and then, exported traces, and files that libraries open.
	descriptorsOwn = 16
	// descriptorsSource is for the connections of one broker.
	descriptorsSource = 8
	// descriptorsLeast is the minimum for attempts and for clients.
	descriptorsLeast = 16
	// descriptorsAttempt is the most that an attempt has open at a time: two DNS queries, or connections to two
	// addresses of one name, one of which is abandoned.
	descriptorsAttempt = 2
)

// shareDescriptors divides a process's limit. A third is for clients, a third for idle connections, a third for
// attempts.
func shareDescriptors(limit, connections, sources int) (descriptors, error) {
	reserved := descriptorsOwn + connections + sources*descriptorsSource
	if limit < reserved+descriptorsLeast {
		return descriptors{}, fmt.Errorf("the open file limit (ulimit -n) is %d, and at least %d are needed: "+
			"%d for the database, %d for sources, %d for the rest; raise the limit or lower pool_max_conns in DATABASE_URL",
			limit, reserved+descriptorsLeast, connections, sources*descriptorsSource, descriptorsOwn+descriptorsLeast)
	}
	third := (limit - reserved) / 3
	return descriptors{limit: limit, attempts: max(1, third/descriptorsAttempt), idle: third, clients: third}, nil
}

// descriptorLimit returns the process's limit of open files. The runtime has raised it as far as permitted.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(limit.Cur, math.MaxInt32))
}
