package app

import (
	"net"
	"net/http"
	"net/http/pprof" // registers its handlers on the default mux too, which nothing here serves
	"strconv"
)

const (
	profilesPath = "/debug/pprof/"

	// profilesAtOnce leaves most of opsConnections to probes and scrapes.
	profilesAtOnce = 2

	profileSecondsMax = 300
)

// serveProfiles adds the handlers of pprof. The one for the command line is left out, because flags may hold secrets.
func (o *ops) serveProfiles() {
	if address, ok := o.address.(*net.TCPAddr); !ok || !address.IP.IsLoopback() {
		o.log.Warn("profiles served without authentication; restrict access to the address", "address", o.text(), "setting", "POSTRIDER_PPROF")
	}
	mux := http.NewServeMux()
	mux.HandleFunc(profilesPath, pprof.Index)
	mux.HandleFunc(profilesPath+"profile", pprof.Profile)
	mux.HandleFunc(profilesPath+"trace", pprof.Trace)
	o.profiles = boundProfiles(mux)
}

// boundProfiles limits how many profiles are taken at a time and for how long. Package pprof moves the server's timeout for
// writing by that much.
func boundProfiles(next http.Handler) http.Handler {
	turns := make(chan struct{}, profilesAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text := r.FormValue("seconds"); text != "" {
			if seconds, err := strconv.ParseFloat(text, 64); err != nil || !(seconds > 0 && seconds <= profileSecondsMax) {
				http.Error(w, "seconds must be a number up to "+strconv.Itoa(profileSecondsMax), http.StatusBadRequest)
				return
			}
		}
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		default:
			http.Error(w, "too many profiles at a time", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}
