package server

import (
	"net/http"
	"slices"
	"strings"
)

// routes is a ServeMux that answers unknown paths and methods with the API's errors, requires a token where the
// contract says so, limits the memory of bodies, and honours idempotency keys. It is the router that the generated
// code registers its operations with.
type routes struct {
	mux           http.ServeMux
	authenticated func(http.HandlerFunc) http.HandlerFunc
	admitted      func(http.HandlerFunc) http.HandlerFunc
	once          func(http.HandlerFunc) http.HandlerFunc
}

func newRoutes(authenticated, admitted, once func(http.HandlerFunc) http.HandlerFunc) *routes {
	rs := &routes{authenticated: authenticated, admitted: admitted, once: once}
	rs.mux.HandleFunc("/", rs.noRoute)
	return rs
}

// HandleFunc registers a route such as "GET /path". The token is checked before the generated code looks at anything
// else, so that a client without a token learns nothing more.
func (rs *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	method, path, _ := strings.Cut(pattern, " ")
	op := contract().Paths[path].operations()[method]
	if op != nil && len(op.Security) > 0 {
		if method == http.MethodPost && !ownKeys[op.OperationID] && !noKeys[op.OperationID] {
			handler = rs.once(handler)
		}
		handler = rs.authenticated(rs.admitted(handler))
	}
	rs.mux.HandleFunc(pattern, handler)
}

// noRoute answers requests without a route. The path may have a route for another method.
func (rs *routes) noRoute(w http.ResponseWriter, r *http.Request) {
	allow := rs.methods(r)
	if allow == "" {
		writeJSON(w, http.StatusNotFound, HTTPErrorOut{
			Code: "not_found", Detail: "There is no such path; see /docs for all operations.",
		})
		return
	}
	w.Header().Set("Allow", allow)
	writeJSON(w, http.StatusMethodNotAllowed, HTTPErrorOut{
		Code: "method_not_allowed", Detail: "This path accepts only " + allow + ".",
	})
}

// methods returns the methods that the request's path accepts, or "" if the path does not exist.
func (rs *routes) methods(r *http.Request) string {
	var methods []string
	for _, method := range []string{
		http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut,
	} {
		asked := *r
		asked.Method = method
		if _, pattern := rs.mux.Handler(&asked); pattern != "/" {
			methods = append(methods, method)
		}
	}
	if methods == nil {
		return ""
	}
	methods = append(methods, http.MethodOptions)
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// ServeHTTP implements [http.Handler].
func (rs *routes) ServeHTTP(w http.ResponseWriter, r *http.Request) { rs.mux.ServeHTTP(w, r) }
