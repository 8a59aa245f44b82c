package nats

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

func TestCheckSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"stream":                {func(c *Config) { c.Stream = "NOWHERE" }, "stream: there is no NOWHERE"},
		"place of dead letters": {func(c *Config) { c.DeadLetterSubject = "nowhere" }, "dead_letter_subject: no stream captures nowhere"},
		"another place": {
			func(c *Config) { c.DeadLetterSubject = b.name + ".dead" },
			"dead_letter_subject: " + b.name + ".dead is taken by this consumer again",
		},
		"another place still": {
			func(c *Config) { c.DeadLetterSubject, c.Subjects = b.name+".dead", []string{b.name + ".*"} },
			"is taken by this consumer again",
		},
		"nothing": {
			func(c *Config) {
				c.DeadLetterSubject, c.Subjects = b.name+".dead", []string{b.name + ".red", b.name + ".blue"}
			}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := &broker{config: b.config}
			mine.config.Consumer = strings.ReplaceAll(name, " ", "-")
			c.change(&mine.config)
			err := mine.source(t).Check(within(t))
			if c.want == "" && err != nil {
				t.Error(err)
			}
			wantError(t, err, strings.Fields(c.want)...)
		})
	}
}

func TestCheckRefusesConsumersThatLoseMessages(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	for name, c := range map[string]struct {
		change func(*jetstream.ConsumerConfig)
		want   []string
	}{
		"well":       {func(*jetstream.ConsumerConfig) {}, nil},
		"cumulative": {func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckAllPolicy }, []string{"AckAll", "needs explicit"}},
		"unsettled":  {func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckNonePolicy }, []string{"AckNone", "needs explicit"}},
		"impatient":  {func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 3 }, []string{"after 3 deliveries", "max_deliver -1"}},
		"empty":      {func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true }, []string{"headers only"}},
		"quick":      {func(c *jetstream.ConsumerConfig) { c.AckWait = 500 * time.Millisecond }, []string{"waits 500ms", "1s at least"}},
		"quick-first": {func(c *jetstream.ConsumerConfig) {
			c.MaxDeliver = 5
			c.BackOff = []time.Duration{time.Millisecond, time.Minute}
		}, []string{"waits 1ms"}},
		"prioritised": {
			func(c *jetstream.ConsumerConfig) {
				c.PriorityPolicy, c.PriorityGroups = jetstream.PriorityPolicyPinned, []string{"a"}
				c.PinnedTTL = time.Minute
			}, []string{"priority"},
		},
		"filtered": {func(c *jetstream.ConsumerConfig) { c.FilterSubject = b.name + ".red" }, []string{"takes " + b.name + ".red", "subjects says all"}},
		"wrong-twice": {
			func(c *jetstream.ConsumerConfig) { c.MaxDeliver, c.HeadersOnly = 3, true }, []string{"headers only", "max_deliver"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute}
			c.change(&config)
			if _, err := b.admin(t).CreateConsumer(within(t), b.name, config); err != nil {
				t.Fatal(err)
			}
			mine := &broker{config: b.config}
			mine.config.Consumer = name
			err := mine.source(t).Check(within(t))
			if c.want == nil && err != nil {
				t.Error(err)
			}
			wantError(t, err, c.want...)
		})
	}
}

func TestCheckRefusesAPushConsumer(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	_, err := b.admin(t).CreatePushConsumer(within(t), b.name, jetstream.ConsumerConfig{
		Durable: b.config.Consumer, AckPolicy: jetstream.AckExplicitPolicy, DeliverSubject: "somewhere",
	})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, b.source(t).Check(within(t)), "push consumer")
}

func TestTheConsumerIsMadeWithItsFilter(t *testing.T) {
	t.Parallel()
	for name, groups := range map[string][]string{"one": {"red"}, "two": {"blue", "red"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			for _, group := range groups {
				b.config.Subjects = append(b.config.Subjects, b.name+"."+group)
			}
			b.Produce(t, sourcetest.Produced{Group: "green", Body: "not wanted"})
			b.publish(t, 1, 2)
			for range 2 { // it is made, and found
				if err := b.source(t).Check(within(t)); err != nil {
					t.Fatal(err)
				}
			}
			wantNumbers(t, take(t, b.source(t), 2), 1, 2)
			c := b.consumer(t).Config
			if c.AckPolicy != jetstream.AckExplicitPolicy || c.MaxDeliver != -1 || c.MaxAckPending != ingest.BatchMost || c.AckWait != holdsFor {
				t.Errorf("made is %+v", c)
			}
		})
	}
}

func TestBatchesAreWithinTheLimitsOfTheConsumer(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	config := jetstream.ConsumerConfig{
		Durable: b.config.Consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: holdsFor,
		MaxRequestBatch: 3, MaxRequestMaxBytes: 4 << 10, MaxRequestExpires: time.Second,
	}
	if _, err := b.admin(t).CreateConsumer(within(t), b.name, config); err != nil {
		t.Fatal(err)
	}
	sizes := []int{10, 10, 10, 10, 1500, 1500, 1500, 6000, 10}
	for _, size := range sizes {
		b.Produce(t, sourcetest.Produced{Group: "red", Body: strings.Repeat("b", size)})
	}
	s := b.source(t)
	var got []int
	for len(got) < len(sizes) {
		batch := receive(t, s)
		bytes := 0
		for _, m := range batch {
			got, bytes = append(got, len(m.Body)), bytes+len(m.Body)
		}
		if len(batch) > 3 || (bytes > 4<<10 && len(batch) > 1) {
			t.Errorf("a batch has %d messages and %d bytes", len(batch), bytes)
		}
		settle(t, s, verdicts(ingest.Ack, batch...))
	}
	for i := range sizes {
		if got[i] != sizes[i] {
			t.Fatalf("received %v, want %v", got, sizes)
		}
	}
}

func TestCheckSaysWhoRefuses(t *testing.T) {
	t.Parallel()
	n := startNode(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "known", Password: "secret-word"},
			{Username: "small", Password: "secret-word", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.INFO.>"}},
			}},
		}
	})
	check := func(user, password string) error {
		b := &broker{config: Config{
			URLs: []string{n.server.Load().ClientURL()}, Stream: "ORDERS", Consumer: "postrider", DeadLetterSubject: "dead",
			User: user, Password: password,
		}}
		return b.source(t).Check(within(t))
	}
	for name, c := range map[string]struct{ user, password, want string }{
		"no login":       {"", "", "refuses user and password, token or creds_file"},
		"wrong password": {"known", "secret-worm", "refuses user and password, token or creds_file"},
		"right password": {"known", "secret-word", "there is no ORDERS"},
		"no permission":  {"small", "secret-word", "STREAM.INFO.ORDERS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			err := check(c.user, c.password)
			if took := time.Since(began); took > answerWithin-time.Second {
				t.Errorf("it took %s", took)
			}
			wantError(t, err, c.want)
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestAServerThatSaysNothingIsHungUpOn(t *testing.T) {
	t.Parallel()
	listener := sourcetest.Listen(t)
	conns := make(chan net.Conn, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			conns <- conn
		}
	}()
	b := &broker{config: Config{
		URLs: []string{"nats://" + listener.Addr().String()}, Stream: "ORDERS", Consumer: "postrider", DeadLetterSubject: "dead",
	}}
	ctx, cancel := context.WithTimeout(within(t), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := b.source(t).Receive(ctx)
	wantError(t, err, "deadline exceeded")
	if took := time.Since(began); took > answerWithin-time.Second {
		t.Errorf("it took %s", took)
	}
	(<-conns).Close()
	listener.Close()
}
