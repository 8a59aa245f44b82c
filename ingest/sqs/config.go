package sqs

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"time"

	"github.com/postrider/postrider/ingest"
)

// Config configures one queue, as written in the configuration. It contains no credentials: the AWS SDK finds them in
// the environment, a profile or the machine's role. They must allow sqs:ReceiveMessage, sqs:DeleteMessage,
// sqs:ChangeMessageVisibility and sqs:GetQueueAttributes on the queue, and sqs:GetQueueUrl and sqs:SendMessage on the
// dead letter queue, which is the one that the queue's redrive policy names; and kms:Decrypt and kms:GenerateDataKey
// if the queues are encrypted with a key of yours.
//
// The redrive policy's maxReceiveCount is for messages that keep killing their consumer. Every stop in the middle of
// a batch counts too, and SQS adds no reason to the messages that it moves itself, so 100 is not too many.
type Config struct {
	// QueueURL is the queue's URL, such as https://sqs.eu-central-1.amazonaws.com/123456789012/orders.fifo. Required.
	// Only a queue whose name ends in .fifo keeps order, within each message group.
	QueueURL string `json:"queue_url"`

	// Region is the queue's region, such as eu-central-1. Default: the one in queue_url or, if that is not an AWS
	// address, the region of the AWS environment (AWS_REGION, or that of the profile).
	Region string `json:"region"`

	// Endpoint is the URL of a server other than AWS, or of an interface endpoint in a VPC. Default: the endpoint of
	// the AWS environment (AWS_ENDPOINT_URL_SQS); without one, AWS itself for an AWS queue_url, and the host of
	// queue_url for any other.
	Endpoint string `json:"endpoint"`

	// Visibility is how long SQS keeps a message from other consumers after this one was last heard of, in whole
	// seconds between 30s and 12h. Default: 60s. After a crash, messages are redelivered after this time.
	Visibility string `json:"visibility"`

	// SNS says whether messages are unwrapped from the envelopes of SNS notifications: auto, the default, or never.
	// Topics with raw message delivery add no envelope.
	SNS string `json:"sns"`
}

const (
	visibilityDefault = time.Minute
	// visibilityLeast leaves time for an extension that fails and another one.
	visibilityLeast = 3 * ingest.ExtendEvery
	// visibilityMost is SQS's limit, counted from when a message was received, extensions included.
	visibilityMost = 12 * time.Hour
)

// settings are the validated values of a Config.
type settings struct {
	queue      *url.URL
	name       string
	region     string // "": the AWS environment's
	endpoint   string // "": the AWS environment's, or the default
	visibility time.Duration
	unwrap     bool
}

// read validates a Config and returns everything that is wrong with it.
func (c Config) read() (s settings, err error) {
	s.endpoint, s.unwrap = c.Endpoint, c.SNS != "never"
	var queueErr, endpointErr, snsErr error
	if s.queue, queueErr = origin("queue_url", c.QueueURL); queueErr == nil {
		if s.name = path.Base(s.queue.Path); s.name == "." || s.name == "/" {
			queueErr = fmt.Errorf("queue_url: %q does not end in a queue's name", c.QueueURL)
		}
	}
	if c.Endpoint != "" {
		_, endpointErr = origin("endpoint", c.Endpoint)
	}
	if c.SNS != "" && c.SNS != "auto" && c.SNS != "never" {
		snsErr = fmt.Errorf("sns: %q is neither auto nor never", c.SNS)
	}
	visibility, visibilityErr := c.visibility()
	s.visibility = visibility
	if queueErr != nil {
		return s, errors.Join(queueErr, endpointErr, visibilityErr, snsErr)
	}
	region, isAWS := regionOf(s.queue)
	s.region = c.Region
	var regionErr error
	switch {
	case isAWS && c.Region == "":
		s.region = region
	case isAWS && c.Region != region:
		regionErr = fmt.Errorf("region: %q is not that of queue_url, %q", c.Region, region)
	}
	return s, errors.Join(queueErr, regionErr, endpointErr, visibilityErr, snsErr)
}

func origin(field, text string) (*url.URL, error) {
	if text == "" {
		return nil, fmt.Errorf("%s: it is required", field)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("%s: it has to be a URL that begins with https:// or http://, and names a host", field)
	}
	return u, nil
}

func (c Config) visibility() (time.Duration, error) {
	if c.Visibility == "" {
		return visibilityDefault, nil
	}
	d, err := time.ParseDuration(c.Visibility)
	if err != nil || d%time.Second != 0 || d < visibilityLeast || d > visibilityMost {
		return 0, fmt.Errorf("visibility: %q is not a number of whole seconds between %s and %s, such as 60s",
			c.Visibility, visibilityLeast, visibilityMost)
	}
	return d, nil
}

// awsHost matches AWS's regional endpoints, including those for dual stack and FIPS and the old ones. Any other name,
// such as one in a VPC, means a server of the user's own.
var awsHost = regexp.MustCompile(`^(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.(?:amazonaws\.com|amazonaws\.com\.cn|api\.aws)$`)

// regionOf returns the region in a queue's URL, if it is an AWS URL.
func regionOf(queue *url.URL) (region string, isAWS bool) {
	found := awsHost.FindStringSubmatch(queue.Hostname())
	if found == nil {
		return "", false
	}
	return found[1] + found[2], true
}
