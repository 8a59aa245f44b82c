package delivery

import (
	"context"
	"math/rand/v2"
	"time"
)

// replays decides whether a request that was not answered is sent again within its attempt. An attempt is one POST,
// plus another one if a kept connection turned out to be closed. A receiver that refuses an HTTP/2 stream has not
// processed the request, so it is sent up to refusedMax more times.
type replays struct {
	count   int
	refused int
	closed  bool // the request was resent because the connection was closed
	http1   bool // the request was resent over HTTP/1.1
	fresh   bool // the next request needs a new connection
}

const (
	refusedMax  = 3
	refusedWait = 100 * time.Millisecond // doubled each time, plus up to 50% jitter
)

// allow reports whether to send the request again after err. It first waits if the receiver needs time.
func (r *replays) allow(ctx context.Context, err error, kept bool, reached stage) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case isHTTP11Required(err):
		if r.http1 {
			return false
		}
		r.http1, r.fresh = true, true
	case isStreamError(err, codeRefusedStream):
		if r.refused >= refusedMax || !pauseRefused(ctx, r.refused) {
			return false
		}
		r.refused++
	case !kept, r.closed, reached >= answering, isAnyStreamError(err):
		return false
	default:
		r.closed, r.fresh = true, true
	}
	r.count++
	return true
}

func pauseRefused(ctx context.Context, refused int) bool {
	wait := refusedWait << refused
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait + rand.N(wait/2)):
		return true
	}
}
