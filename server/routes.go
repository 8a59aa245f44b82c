package server

import (
	"net/http"
	"slices"
	"strings"
)

// routes is a ServeMux that answers paths and methods it does not have as the API answers errors,
// and asks for a token where the contract says so. It is the router that the generated code
// registers its operations with.
type routes struct {
	mux           http.ServeMux
	methods       map[string][]string // of each path
	authenticated func(http.HandlerFunc) http.HandlerFunc
}

func newRoutes(authenticated func(http.HandlerFunc) http.HandlerFunc) *routes {
	return &routes{methods: map[string][]string{}, authenticated: authenticated}
}

// HandleFunc registers a route, "GET /path". The token is checked before the generated code looks at
// anything else, so that a client without one learns nothing more.
func (rs *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	method, path, _ := strings.Cut(pattern, " ")
	rs.methods[path] = append(rs.methods[path], method)
	op := contract().Paths[path].operations()[method]
	if op != nil && len(op.Security) > 0 {
		handler = rs.authenticated(handler)
	}
	rs.mux.HandleFunc(pattern, handler)
}

// close registers the answers for everything that has no route.
func (rs *routes) close() {
	for path, methods := range rs.methods {
		if slices.Contains(methods, http.MethodGet) {
			methods = append(methods, http.MethodHead)
		}
		methods = append(methods, http.MethodOptions)
		slices.Sort(methods)
		allow := strings.Join(methods, ", ")
		rs.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", allow)
			writeJSON(w, http.StatusMethodNotAllowed, HTTPErrorOut{
				Code: "method_not_allowed", Detail: "This path takes only " + allow + ".",
			})
		})
	}
	rs.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { notFound(w) })
}

func notFound(w http.ResponseWriter) {
	writeJSON(w, http.StatusNotFound, HTTPErrorOut{
		Code: "not_found", Detail: "There is nothing at this path; /docs lists what there is.",
	})
}

// ServeHTTP implements [http.Handler].
func (rs *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) { rs.mux.ServeHTTP(w, r) }
