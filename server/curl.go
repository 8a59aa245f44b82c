package server

import (
	"net/http"
	"strings"
)

// curlExample returns a curl command that calls an operation, using the contract's examples as path parameters and
// body. The command reads the token from a variable, so that no token ends up in a shell history.
func curlExample(op *operation) string {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", p.Example)
		}
	}
	command := "curl "
	if op.Method != http.MethodGet {
		command += "-X " + op.Method + " "
	}
	parts := []string{command + shellQuoted("http://localhost:8071"+path)}
	if len(op.Security) > 0 {
		parts = append(parts, `-H "Authorization: Bearer $TOKEN"`)
	}
	if op.RequestBody != nil {
		parts = append(parts, "-H 'Content-Type: application/json'", "-d "+shellQuoted(bodyExample(op)))
	}
	return strings.Join(parts, " \\\n  ")
}

// bodyExample returns the example of the request body's schema.
func bodyExample(op *operation) string {
	s := op.RequestBody.Content.JSON()
	if s.Ref != "" {
		s = contract().Components.Schemas[refName(s.Ref)]
	}
	return string(s.Example)
}

func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
