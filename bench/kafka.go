package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaName compares messages that arrive through Kafka with those that arrive by REST: it measures the time from
// producing the first message to the arrival of the last. The broker is a process of its own, like all others, and
// keeps its data in memory, so that only the consumer is measured.
const kafkaName = "kafka"

const (
	kafkaTopic      = "bench"
	kafkaPartitions = 8
)

// errKafka results in exit code 1.
var errKafka = errors.New("what comes through Kafka is slower than what comes by REST: the median ratio is below 1")

func kafkaMain(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) > 0 {
		return flag.ErrHelp
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(kafkaPartitions, kafkaTopic), kfake.SeedTopics(1, kafkaTopic+"-dead"))
	if err != nil {
		return err
	}
	defer cluster.Close()
	fmt.Fprintln(stdout, cluster.ListenAddrs()[0])
	<-ctx.Done()
	return nil
}

func produceMain(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("bench produce", flag.ContinueOnError)
	broker := f.String("broker", "", "the broker's address")
	app := f.String("app", "", "the application")
	messages := f.Int("messages", 1000, "how many")
	payload := f.Int("payload", 400, "bytes of a payload")
	if err := f.Parse(args); err != nil {
		return flag.ErrHelp
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker), kgo.DefaultProduceTopic(kafkaTopic))
	if err != nil {
		return err
	}
	defer client.Close()
	var mu sync.Mutex
	sent := sending{FirstAt: time.Now()}
	for n := range *messages {
		record := &kgo.Record{Key: strconv.AppendInt(nil, int64(n), 10)}
		record.Value = append(record.Value, `{"application":"`+*app+`","eventType":"invoice.paid","payload":`...)
		record.Value = append(appendPayload(record.Value, n, *payload), '}')
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				sent.Acknowledged++
				return
			}
			if sent.Refused++; sent.Refusal == "" {
				sent.Refusal = err.Error()
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(sent)
}

func (b *bench) kafkaScenarios(ctx context.Context) ([]scenario, error) {
	binary, err := b.binaryOrBuild(ctx)
	if err != nil {
		return nil, err
	}
	rest, err := b.serve(ctx, serveName, binary)
	if err != nil {
		return nil, err
	}
	kafka, err := b.kafka(ctx, binary)
	return []scenario{rest, kafka}, err
}

// kafka returns a scenario for the postrider at path with a broker that messages are produced to.
func (b *bench) kafka(ctx context.Context, path string) (scenario, error) {
	s, err := b.newServed(ctx, kafkaName, path)
	return scenario{kafkaName, func(ctx context.Context, hook string) (*target, error) {
		broker, address, err := startListener(ctx, kafkaName, nil)
		if err != nil {
			return nil, err
		}
		t, err := s.start(ctx, hook, fmt.Sprintf(
			"sources: [{name: bench, kafka: {brokers: [%q], topics: [%[2]s], group: bench, dead_letter_topic: %[2]s-dead}}]", address, kafkaTopic))
		if err != nil {
			broker.stop()
			return nil, err
		}
		t.send = func(ctx context.Context, messages int) (sent sending, err error) {
			text, err := output(ctx, "produce", "-broker", address, "-app", t.app,
				"-messages", strconv.Itoa(messages), "-payload", strconv.Itoa(b.payload))
			if err == nil {
				err = json.Unmarshal(text, &sent)
			}
			return sent, err
		}
		stop := t.stop
		t.stop = func() { stop(); broker.stop() }
		return t, nil
	}}, err
}

// judgeKafka compares each round with the REST round beside it.
func (b *bench) judgeKafka(rounds map[string][]round) error {
	fmt.Fprintln(b.out)
	for _, name := range []string{serveName, kafkaName} {
		rates := spreadOf(figures(rounds[name], round.perSecond))
		fmt.Fprintf(b.out, "%-8s delivered/s: min %.0f, median %.0f, max %.0f\n", name, rates.min, rates.median, rates.max)
	}
	got, verdict := spreadOf(ratiosOf(rounds[kafkaName], rounds[serveName])), "PASS"
	if got.median < 1 {
		verdict = "FAIL"
	}
	fmt.Fprintf(b.out, "%s: the ratio of Kafka to REST is: min %.3f, median %.3f, max %.3f; the least is 1\n", verdict, got.min, got.median, got.max)
	if got.median < 1 {
		return errKafka
	}
	return nil
}
