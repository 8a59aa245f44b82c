package sqs

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"sigs.k8s.io/yaml"
)

const ordersURL = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders.fifo"

func TestConfigSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config Config
		want   []string // in the error, one each; none: no error
	}{
		"least":         {Config{QueueURL: ordersURL}, nil},
		"most":          {Config{QueueURL: ordersURL, Region: "eu-central-1", Endpoint: "https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com", Visibility: "12h", SNS: "never"}, nil},
		"another cloud": {Config{QueueURL: "http://localhost:9324/000000000000/orders", Region: "elasticmq"}, nil},
		"nothing":       {Config{}, []string{"queue_url: it is required"}},
		"no URL":        {Config{QueueURL: "orders.fifo"}, []string{"queue_url: it has to be a URL"}},
		"a password":    {Config{QueueURL: "https://me:secret@sqs.eu-central-1.amazonaws.com/1/q"}, []string{"queue_url: it has to be a URL"}},
		"no queue":      {Config{QueueURL: "https://sqs.eu-central-1.amazonaws.com/"}, []string{"queue_url: ", "name"}},
		"no region":     {Config{QueueURL: "http://localhost:9324/000000000000/orders"}, []string{"region: it is given neither"}},
		"two regions":   {Config{QueueURL: ordersURL, Region: "us-east-1"}, []string{`region: "us-east-1" is not that of queue_url`}},
		"endpoint":      {Config{QueueURL: ordersURL, Endpoint: "localhost:4566"}, []string{"endpoint: "}},
		"visibility":    {Config{QueueURL: ordersURL, Visibility: "60"}, []string{`visibility: "60"`}},
		"too short":     {Config{QueueURL: ordersURL, Visibility: "29s"}, []string{"visibility: ", "30s"}},
		"too long":      {Config{QueueURL: ordersURL, Visibility: "12h1s"}, []string{"visibility: ", "12h"}},
		"no seconds":    {Config{QueueURL: ordersURL, Visibility: "30500ms"}, []string{"visibility: "}},
		"sns":           {Config{QueueURL: ordersURL, SNS: "always"}, []string{`sns: "always"`}},
		"all at once": {
			Config{Endpoint: "x", Visibility: "x", SNS: "x"},
			[]string{"queue_url: ", "\nendpoint: ", "\nvisibility: ", "\nsns: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(test.config, slog.New(slog.DiscardHandler))
			if len(test.want) == 0 && err != nil {
				t.Error(err)
			}
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error %v says nothing of %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("a password is in %v", err)
			}
		})
	}
}

func TestConfigIsReadFromYAML(t *testing.T) {
	t.Parallel()
	var c Config
	err := yaml.UnmarshalStrict([]byte(`
queue_url: `+ordersURL+`
region: eu-central-1
endpoint: https://localhost:4566
visibility: 90s
sns: never
`), &c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if s.name != "orders.fifo" || !s.fifo || s.visibility != 90*time.Second || s.unwrap {
		t.Errorf("got %+v", s)
	}
}

func TestServerIsFoundByTheQueue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config           Config
		region, endpoint string
	}{
		"AWS":             {Config{QueueURL: ordersURL}, "eu-central-1", ""},
		"China":           {Config{QueueURL: "https://sqs.cn-north-1.amazonaws.com.cn/1/q"}, "cn-north-1", ""},
		"the old address": {Config{QueueURL: "https://us-west-2.queue.amazonaws.com/1/q"}, "us-west-2", ""},
		"dual stack":      {Config{QueueURL: "https://sqs.us-west-2.api.aws/1/q"}, "us-west-2", ""},
		"FIPS":            {Config{QueueURL: "https://sqs-fips.us-west-2.amazonaws.com/1/q"}, "us-west-2", ""},
		"a VPC":           {Config{QueueURL: ordersURL, Endpoint: "https://vpce-1/"}, "eu-central-1", "https://vpce-1/"},
		"no AWS":          {Config{QueueURL: "http://localhost:9324/queue/q", Region: "x"}, "x", "http://localhost:9324"},
		"not quite AWS":   {Config{QueueURL: "https://sqs.us-west-2.amazonaws.com.evil.example/1/q", Region: "x"}, "x", "https://sqs.us-west-2.amazonaws.com.evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := New(test.config, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			options := s.client.Options()
			if got := aws.ToString(options.BaseEndpoint); options.Region != test.region || got != test.endpoint {
				t.Errorf("region %q, endpoint %q, want %q, %q", options.Region, got, test.region, test.endpoint)
			}
		})
	}
}
