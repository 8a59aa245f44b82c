package app

import (
	"fmt"
	"math"
	"syscall"
)

// descriptors is how many files and sockets each part of a process may have open. Deliveries must not use up
// what the API and the database need, nor the API's clients what deliveries need.
type descriptors struct {
	limit    int // of the process
	attempts int // under way at a time
	idle     int // connections to receivers, kept between attempts
	clients  int // connections to the API
}

const (
	// descriptorsOwn is for the standard streams, the runtime, listeners, certificates and hosts files that are
	// read now and then, exported traces, and what libraries open.
	descriptorsOwn = 16
	// descriptorsSource is for the connections of one broker.
	descriptorsSource = 8
	// descriptorsLeast is what is to be left for attempts and clients.
	descriptorsLeast = 16
	// descriptorsAttempt is what an attempt may have open at a time: two questions to a name server, or connections to
	// two addresses of one name, of which one is given up.
	descriptorsAttempt = 2
)

// shareDescriptors divides a process's limit. A third is for clients, a third for kept connections, a third for
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

// descriptorLimit is the process's limit of open files. The runtime has raised it as far as it may be.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(limit.Cur, math.MaxInt32))
}
