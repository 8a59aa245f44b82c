package telemetry

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// signal is a kind of telemetry, spelt as in the names of variables.
type signal string

const (
	signalTraces  signal = "TRACES"
	signalMetrics signal = "METRICS"
)

// environment looks up a variable, as [os.Getenv] does.
type environment func(name string) string

// get returns a value without surrounding blanks, as the library reads it.
func (e environment) get(name string) string { return strings.TrimSpace(e(name)) }

// disabled reports whether telemetry is not exported at all.
func (e environment) disabled() bool { return strings.EqualFold(e.get("OTEL_SDK_DISABLED"), "true") }

// otlp returns the value of a variable of OTLP: that of the signal, or else the one for all signals.
func (e environment) otlp(s signal, name string) string {
	return cmp.Or(e.get("OTEL_EXPORTER_OTLP_"+string(s)+"_"+name), e.get("OTEL_EXPORTER_OTLP_"+name))
}

// exports reports whether a signal is exported by OTLP: if OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER says so, and
// otherwise if there is an endpoint. Metrics are always there to be scraped.
func (e environment) exports(s signal) bool {
	if e.disabled() {
		return false
	}
	if chosen := e.get("OTEL_" + string(s) + "_EXPORTER"); chosen != "" && checkExporters(s)(chosen) == nil {
		return slices.Contains(listed(chosen), "otlp")
	}
	return e.otlp(s, "ENDPOINT") != ""
}

const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
)

// protocol returns how a signal is exported.
func (e environment) protocol(s signal) string {
	return cmp.Or(e.otlp(s, "PROTOCOL"), protocolHTTP)
}

// CheckVariables checks the OTEL_ variables. It returns an error for those without which nobody knows where or how to
// export, and for values that would harm the process. For all others it logs a warning, because the specification says
// to ignore them. Values are not quoted where they may hold credentials.
func CheckVariables(log *slog.Logger) error { return environment(os.Getenv).check(log) }

// rule is what a variable must be like.
type rule struct {
	variable string
	check    func(value string) error
	fatal    bool // whether the process must not start otherwise
}

func (e environment) check(log *slog.Logger) error {
	rules := []rule{{"OTEL_SDK_DISABLED", oneOf("true", "false"), false}}
	if !e.disabled() {
		rules = append(rules, rule{"OTEL_TRACES_EXPORTER", checkExporters(signalTraces), false}, rule{"OTEL_METRICS_EXPORTER", checkExporters(signalMetrics), false})
		if e.exports(signalTraces) {
			rules = append(rules, e.traceRules()...)
			rules = append(rules, e.otlpRules(signalTraces)...)
		}
		if e.exports(signalMetrics) {
			rules = append(rules, metricRules()...)
			rules = append(rules, e.otlpRules(signalMetrics)...)
		}
	}
	var errs []error
	checked := map[string]bool{}
	for _, r := range rules {
		value := e.get(r.variable)
		if value == "" || checked[r.variable] {
			continue
		}
		checked[r.variable] = true
		err := r.check(value)
		switch {
		case err == nil:
		case r.fatal:
			errs = append(errs, fmt.Errorf("%s: %w", r.variable, err))
		default:
			log.Warn("invalid variable ignored", "variable", r.variable, "reason", err.Error())
		}
	}
	return errors.Join(errs...)
}

func (e environment) traceRules() []rule {
	rules := []rule{
		{"OTEL_TRACES_SAMPLER", oneOf("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"), false},
		{"OTEL_BSP_SCHEDULE_DELAY", atLeast(1), true}, {"OTEL_BSP_EXPORT_TIMEOUT", atLeast(0), true},
		{"OTEL_BSP_MAX_QUEUE_SIZE", atLeast(1), true}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", atLeast(1), true},
	}
	if strings.HasSuffix(strings.ToLower(e.get("OTEL_TRACES_SAMPLER")), "traceidratio") {
		rules = append(rules, rule{"OTEL_TRACES_SAMPLER_ARG", checkRatio, false})
	}
	return rules
}

func metricRules() []rule {
	return []rule{
		{"OTEL_METRIC_EXPORT_INTERVAL", atLeast(1), true}, {"OTEL_METRIC_EXPORT_TIMEOUT", atLeast(1), true},
		{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", oneOf("cumulative", "delta", "lowmemory"), false},
		{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", oneOf("explicit_bucket_histogram", "base2_exponential_bucket_histogram"), false},
	}
}

// otlpRules returns the rules of the variables by which a signal is exported. The library falls back to an endpoint on
// this host, to no headers or to the system's certificates if they are wrong, and logs some of the values.
func (e environment) otlpRules(s signal) (rules []rule) {
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_" + string(s) + "_"} {
		keyFile := e.get(prefix + "CLIENT_KEY")
		rules = append(rules,
			rule{prefix + "PROTOCOL", checkProtocol, true},
			rule{prefix + "ENDPOINT", checkEndpoint(e.protocol(s)), true},
			rule{prefix + "HEADERS", checkHeaders, true},
			rule{prefix + "CERTIFICATE", checkCertificates, true},
			rule{prefix + "CLIENT_CERTIFICATE", func(file string) error { return checkKeyPair(file, keyFile) }, true},
			rule{prefix + "TIMEOUT", atLeast(0), true},
			rule{prefix + "COMPRESSION", oneOf("gzip", "none"), false},
			rule{prefix + "INSECURE", oneOf("true", "false"), false},
		)
	}
	return rules
}

func oneOf(known ...string) func(string) error {
	return func(value string) error {
		if !slices.Contains(known, strings.ToLower(value)) {
			return fmt.Errorf("%q is not one of %s", value, strings.Join(known, ", "))
		}
		return nil
	}
}

func atLeast(least int) func(string) error {
	return func(value string) error {
		if n, err := strconv.Atoi(value); err != nil || n < least {
			return fmt.Errorf("%q is not a whole number of at least %d", value, least)
		}
		return nil
	}
}

func checkRatio(value string) error {
	if ratio, err := strconv.ParseFloat(value, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		return fmt.Errorf("%q is not a number between 0 and 1", value)
	}
	return nil
}

// listed returns the elements of a comma-separated list.
func listed(value string) (elements []string) {
	for element := range strings.SplitSeq(value, ",") {
		elements = append(elements, strings.ToLower(strings.TrimSpace(element)))
	}
	return elements
}

func checkExporters(s signal) func(string) error {
	known := []string{"otlp", "none"}
	if s == signalMetrics {
		known = append(known, "prometheus") // which is always there
	}
	return func(value string) error {
		for _, exporter := range listed(value) {
			if err := oneOf(known...)(exporter); err != nil {
				return err
			}
		}
		return nil
	}
}

func checkProtocol(value string) error {
	if value != protocolGRPC && value != protocolHTTP {
		return fmt.Errorf("%q is not supported; use %s or %s", value, protocolHTTP, protocolGRPC)
	}
	return nil
}

func checkEndpoint(protocol string) func(string) error {
	return func(value string) error {
		u, err := url.Parse(value)
		switch {
		case err != nil:
			return errors.New("not a URL such as http://collector:4318") // url.Error quotes it
		case u.User != nil:
			return errors.New("must not contain user and password; use OTEL_EXPORTER_OTLP_HEADERS")
		case u.Scheme == "http" || u.Scheme == "https":
			if u.Host == "" {
				return errors.New("names no host")
			}
		case protocol != protocolGRPC:
			return errors.New("must begin with http:// or https://")
		}
		return nil
	}
}

// checkHeaders checks a list such as "api-key=secret,x=y". Its values may be percent-encoded.
func checkHeaders(value string) error {
	for i, header := range strings.Split(value, ",") {
		name, encoded, found := strings.Cut(header, "=")
		decoded, err := url.PathUnescape(encoded)
		if !found || err != nil || !httpguts.ValidHeaderFieldName(strings.TrimSpace(name)) || !httpguts.ValidHeaderFieldValue(strings.TrimSpace(decoded)) {
			return fmt.Errorf("element %d is not name=value with a percent-encoded value", i+1)
		}
	}
	return nil
}

func checkCertificates(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return fmt.Errorf("%s contains no certificate in PEM", file)
	}
	return nil
}

func checkKeyPair(file, keyFile string) error {
	if keyFile == "" {
		return errors.New("needs the variable for its key, which ends in CLIENT_KEY")
	}
	_, err := tls.LoadX509KeyPair(file, keyFile)
	return err
}
