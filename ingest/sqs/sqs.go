// Package sqs receives messages from an Amazon SQS queue, and through it from Amazon SNS topics. It knows how SQS
// delivers messages, keeps their order and takes them back. It does not know what messages contain, except for the SNS
// envelope, or what becomes of them.
package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	"github.com/postrider/postrider/ingest"
)

const (
	// callTimeout bounds a call in total, including retries and the pauses between them. SQS answers in some 10 ms.
	callTimeout = 10 * time.Second
	tries       = 3

	// sideMost is the number of concurrent calls. With 10 ms and ten messages per call that is some 8,000 messages a
	// second, and it is the number of idle connections that the SDK keeps.
	sideMost = 8

	// perCall is how many messages SQS delivers, deletes or changes in one call at most.
	perCall = 10

	// pollWait is the longest long poll that SQS allows.
	pollWait = 20 * time.Second

	// stopGrace is how long a receiving call may go on once the source is stopped. If nobody waits for an answer, no
	// consumer has its messages until their visibility timeout ends, and on a FIFO queue their groups are blocked for
	// as long. A call on a queue that has messages is answered within the grace; one that waits for messages is
	// abandoned.
	stopGrace = 250 * time.Millisecond
)

// fifoSuffix ends the names of FIFO queues, and of no others.
const fifoSuffix = ".fifo"

// Source receives messages from a queue.
type Source struct {
	log        *slog.Logger
	client     *awssqs.Client
	http       *http.Client
	queueURL   string
	name       string
	fifo       bool
	unwrap     bool
	visibility time.Duration
	timeout    time.Duration
	poll       time.Duration
	grace      time.Duration

	attempt     string    // the name of a long poll that is still unanswered; only on FIFO queues
	held        []*handle // messages of the last batch
	deadLetters string    // the URL of the dead letter queue, once known

	lettersAt string // the same URL as known to Depth alone

	// visible is held while visibility timeouts are changed, so that an extension does not reach SQS after the return
	// of the same message.
	visible sync.Mutex
}

// New returns a source. It opens no connection.
func New(c Config, log *slog.Logger) (*Source, error) {
	set, err := c.read()
	cloud, cloudErr := environment(set.region, log)
	if err == nil && cloudErr == nil && cloud.Region == "" {
		cloudErr = errors.New("region: it is given neither here, nor by queue_url, nor by the AWS environment")
	}
	if err := errors.Join(err, cloudErr); err != nil {
		return nil, err
	}
	s := &Source{
		log: log, queueURL: c.QueueURL, name: set.name, fifo: strings.HasSuffix(set.name, fifoSuffix), unwrap: set.unwrap,
		visibility: set.visibility, timeout: callTimeout, poll: pollWait, grace: stopGrace,
	}
	s.client = awssqs.NewFromConfig(cloud, func(o *awssqs.Options) {
		if set.endpoint != "" {
			o.BaseEndpoint = aws.String(set.endpoint)
		} else if _, isAWS := regionOf(set.queue); !isAWS && o.BaseEndpoint == nil {
			o.BaseEndpoint = aws.String(set.queue.Scheme + "://" + set.queue.Host)
		}
		// The SDK's own client has no way to close its connections. This one uses the SDK's transport, and with it
		// all that the environment configures about that.
		s.http = &http.Client{
			Transport:     o.HTTPClient.(*awshttp.BuildableClient).GetTransport(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		o.HTTPClient = s.http
	})
	return s, nil
}

// environment returns what the AWS SDK finds by itself: credentials and, if needed, the region.
func environment(region string, log *slog.Logger) (aws.Config, error) {
	cloud, err := config.LoadDefaultConfig(context.Background(),
		config.WithRegion(region),
		config.WithRetryMode(aws.RetryModeStandard), config.WithRetryMaxAttempts(tries),
		config.WithLogger(logging.LoggerFunc(func(class logging.Classification, format string, args ...any) {
			log.Debug("aws sdk log", "class", class, "text", fmt.Sprintf(format, args...))
		})),
	)
	if err != nil {
		return cloud, fmt.Errorf("the AWS environment: %w", err)
	}
	return cloud, nil
}

// Check returns an error unless the queue exists, its attributes are readable, and it has a dead letter queue. SQS
// reveals the permission to receive only when messages are received.
func (s *Source) Check(ctx context.Context) error {
	url, err := s.findDeadLetters(ctx)
	s.deadLetters = url
	return err
}

// Close returns unsettled messages to the queue and disconnects.
func (s *Source) Close(ctx context.Context) error {
	defer s.http.CloseIdleConnections()
	err := s.giveBack(ctx, s.held)
	s.held = nil
	return err
}

// explained adds to the error of a call how it relates to TLS.
func (s *Source) explained(ctx context.Context, err error) error {
	secure, address := true, ""
	if endpoint, parseErr := url.Parse(aws.ToString(s.client.Options().BaseEndpoint)); parseErr == nil && endpoint.Host != "" {
		secure = endpoint.Scheme == "https"
		address = net.JoinHostPort(endpoint.Hostname(), cmp.Or(endpoint.Port(), map[bool]string{true: "443", false: "80"}[secure]))
	}
	return ingest.ExplainTLS(ctx, err, secure, "https:// in queue_url and endpoint", address)
}
