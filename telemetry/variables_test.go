package telemetry

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// set returns an environment of the given NAME=value.
func set(variables ...string) environment {
	return func(name string) string {
		for _, v := range variables {
			if n, value, _ := strings.Cut(v, "="); n == name {
				return value
			}
		}
		return ""
	}
}

func TestVariablesAreRefusedOrIgnoredByName(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		variables       []string
		refused, warned string // parts of the error and of the log; empty: there is none
	}{
		"nothing":             {nil, "", ""},
		"as documented":       {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_HEADERS=a=b%20c, d=e", "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.01"}, "", ""},
		"json":                {[]string{endpoint, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json"}, `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" is not supported; use http/protobuf or grpc`, ""},
		"disabled":            {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_SDK_DISABLED=true"}, "", ""},
		"not exported":        {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=prometheus"}, "", ""},
		"no scheme":           {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must begin with http:// or https://", ""},
		"gRPC without scheme": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "", ""},
		"no URL":              {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=10.0.0.1:4317/secret", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "OTEL_EXPORTER_OTLP_ENDPOINT: not a URL", ""},
		"no host":             {[]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http:///v1"}, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: names no host", ""},
		"password":            {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://me:secret@collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must not contain user and password", ""},
		"colon":               {[]string{endpoint, "OTEL_EXPORTER_OTLP_HEADERS=a=b,authorization: secret"}, "OTEL_EXPORTER_OTLP_HEADERS: element 2 is not", ""},
		"line break":          {[]string{endpoint, "OTEL_EXPORTER_OTLP_HEADERS=a=secret%0A"}, "", ""}, // is trimmed
		"control":             {[]string{endpoint, "OTEL_EXPORTER_OTLP_HEADERS=a=secret%00b"}, "OTEL_EXPORTER_OTLP_HEADERS: element 1 is not", ""},
		"no file":             {[]string{endpoint, "OTEL_EXPORTER_OTLP_CERTIFICATE=/none.pem"}, "OTEL_EXPORTER_OTLP_CERTIFICATE: open /none.pem", ""},
		"no certificate":      {[]string{endpoint, "OTEL_EXPORTER_OTLP_CERTIFICATE=" + empty}, "contains no certificate", ""},
		"no key":              {[]string{endpoint, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=" + empty}, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: needs", ""},
		"busy":                {[]string{endpoint, "OTEL_BSP_SCHEDULE_DELAY=0"}, "OTEL_BSP_SCHEDULE_DELAY: ", ""},
		"no queue":            {[]string{endpoint, "OTEL_BSP_MAX_QUEUE_SIZE=-1"}, "OTEL_BSP_MAX_QUEUE_SIZE: ", ""},
		"unit":                {[]string{endpoint, "OTEL_METRIC_EXPORT_INTERVAL=30s"}, "OTEL_METRIC_EXPORT_INTERVAL: ", ""},
		"all at once":         {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=x", "OTEL_METRIC_EXPORT_INTERVAL=x"}, "OTEL_METRIC_EXPORT_INTERVAL: ", ""},
		"sampler":             {[]string{endpoint, "OTEL_TRACES_SAMPLER=jaeger_remote"}, "", "variable=OTEL_TRACES_SAMPLER "},
		"ratio":               {[]string{endpoint, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=1.5"}, "", "variable=OTEL_TRACES_SAMPLER_ARG"},
		"no ratio":            {[]string{endpoint, "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=NaN"}, "", "variable=OTEL_TRACES_SAMPLER_ARG"},
		"exporter":            {[]string{endpoint, "OTEL_TRACES_EXPORTER=zipkin"}, "", "variable=OTEL_TRACES_EXPORTER"},
		"compression":         {[]string{endpoint, "OTEL_EXPORTER_OTLP_COMPRESSION=zstd"}, "", "variable=OTEL_EXPORTER_OTLP_COMPRESSION"},
		"bool":                {[]string{"OTEL_SDK_DISABLED=yes"}, "", "variable=OTEL_SDK_DISABLED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			err := set(c.variables...).check(NewLogger(&log, slog.LevelDebug, "text"))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, c.refused) || (text == "") != (c.refused == "") {
				t.Errorf("error %q, want %q", text, c.refused)
			}
			if !strings.Contains(log.String(), c.warned) || (log.Len() == 0) != (c.warned == "") || strings.Count(log.String(), "\n") > 1 {
				t.Errorf("logged %q, want %q", log.String(), c.warned)
			}
			if strings.Contains(text+log.String(), "secret") {
				t.Errorf("credentials are shown: %s %s", text, log.String())
			}
		})
	}
}

func TestVariablesChooseWhatIsExported(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
	for name, c := range map[string]struct {
		variables       []string
		traces, metrics bool
	}{
		"nothing":            {nil, false, false},
		"an endpoint":        {[]string{endpoint}, true, true},
		"traces alone":       {[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://collector:4318/v1/traces"}, true, false},
		"no metrics":         {[]string{endpoint, "OTEL_METRICS_EXPORTER=none"}, true, false},
		"scraped":            {[]string{endpoint, "OTEL_METRICS_EXPORTER=prometheus"}, true, false},
		"scraped and pushed": {[]string{endpoint, "OTEL_METRICS_EXPORTER=prometheus, otlp"}, true, true},
		"default endpoint":   {[]string{"OTEL_TRACES_EXPORTER=otlp"}, true, false},
		"unknown is ignored": {[]string{endpoint, "OTEL_TRACES_EXPORTER=zipkin"}, true, true},
		"disabled":           {[]string{endpoint, "OTEL_TRACES_EXPORTER=otlp", "OTEL_SDK_DISABLED=TRUE"}, false, false},
		"not disabled":       {[]string{endpoint, "OTEL_SDK_DISABLED=1"}, true, true},
	} {
		e := set(c.variables...)
		if traces, metrics := e.exports(signalTraces), e.exports(signalMetrics); traces != c.traces || metrics != c.metrics {
			t.Errorf("%s: traces %v, metrics %v", name, traces, metrics)
		}
	}
}
