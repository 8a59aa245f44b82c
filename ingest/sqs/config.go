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

// Config is one queue, as it is written in the configuration. Credentials are none of it: they come from
// where the AWS SDK looks for them, which is the environment, a profile or the machine's role. They have
// to allow sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes
// on the queue, and sqs:GetQueueUrl and sqs:SendMessage on the queue for dead letters, which is the one
// that the queue's redrive policy names; and kms:Decrypt and kms:GenerateDataKey where a key of yours
// encrypts them.
//
// The redrive policy's maxReceiveCount is for messages that keep killing their consumer. Every stop in
// the middle of a batch counts too, and SQS gives no reason to what it moves by itself: 100 is not many.
type Config struct {
	// QueueURL is the queue's URL: https://sqs.eu-central-1.amazonaws.com/123456789012/orders.fifo.
	// Required. Only a queue whose name ends in .fifo keeps an order, that of each message group.
	QueueURL string `json:"queue_url"`

	// Region is the queue's, such as eu-central-1. Default: the one in queue_url, and if that is not an
	// address of AWS, the region of the AWS environment (AWS_REGION, or that of the profile).
	Region string `json:"region"`

	// Endpoint is the URL of a server that is not AWS, or of an interface endpoint in a VPC. Default: what
	// the AWS environment says (AWS_ENDPOINT_URL_SQS), else AWS itself for its own queue_url, and the host
	// of queue_url for any other.
	Endpoint string `json:"endpoint"`

	// Visibility is how long SQS keeps a message from other consumers after this one was last heard of,
	// in whole seconds between 30s and 12h. Default: 60s. It is how late messages come again after a crash.
	Visibility string `json:"visibility"`

	// SNS says whether a message that is the envelope of an SNS notification is taken out of it: auto, the
	// default, or never. Topics with raw message delivery put no envelope around their messages.
	SNS string `json:"sns"`
}

const (
	visibilityDefault = time.Minute
	// visibilityLeast leaves time for an extension that fails and another one.
	visibilityLeast = 3 * ingest.ExtendEvery
	// visibilityMost is SQS's own, counted from when a message was received, extensions included.
	visibilityMost = 12 * time.Hour
)

// settings are what a Config says.
type settings struct {
	queue      *url.URL
	name       string
	region     string // "": what the AWS environment says
	endpoint   string // "": what the AWS environment says, or the default
	visibility time.Duration
	unwrap     bool
}

// read reads a Config, with all there is to say against it.
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

// awsHost is what AWS calls its regional endpoints, those of dual stack and FIPS and the old ones
// included. Whoever uses another name, of a VPC say, means a server of their own.
var awsHost = regexp.MustCompile(`^(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.(?:amazonaws\.com|amazonaws\.com\.cn|api\.aws)$`)

// regionOf is the region that a queue's URL tells, if it is a URL of AWS.
func regionOf(queue *url.URL) (region string, isAWS bool) {
	found := awsHost.FindStringSubmatch(queue.Hostname())
	if found == nil {
		return "", false
	}
	return found[1] + found[2], true
}
