package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// listedPackage is a package in the output of `go list -export`.
type listedPackage struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
}

// TestLogMessagesKeepTheHouseStyle checks every call of package slog in the module: a message begins in lower case and
// has no "it", and a duration is a number whose key names the unit, since JSON would show nanoseconds without saying so.
func TestLogMessagesKeepTheHouseStyle(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: it reads the whole source")
	}
	ours, exports := listPackages(t, "github.com/postrider/postrider/...")
	files := token.NewFileSet()
	imports := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	calls := 0
	for _, p := range ours {
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, file)
		}
		if _, err := (&types.Config{Importer: imports}).Check(p.ImportPath, files, parsed, info); err != nil {
			t.Fatal(err)
		}
		for _, file := range parsed {
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && isLogCall(info, call) {
					calls++
					for _, fault := range logFaults(info, call) {
						t.Errorf("%s: %s", files.Position(call.Pos()), fault)
					}
				}
				return true
			})
		}
	}
	if calls < 50 {
		t.Errorf("found %d log calls, so this proves little", calls)
	}
}

func listPackages(t *testing.T, pattern string) (ours []listedPackage, exports map[string]string) {
	t.Helper()
	output, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly", pattern).Output()
	if err != nil {
		t.Fatal(err)
	}
	exports = map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return ours, exports
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			ours = append(ours, p)
		}
	}
}

// isLogCall reports whether a call is one of package slog, or of a function that creates loggers with a fixed
// message.
func isLogCall(info *types.Info, call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	f, ok := info.Uses[selector.Sel].(*types.Func)
	return ok && f.Pkg() != nil && (f.Pkg().Path() == "log/slog" || f.Name() == "TextLog")
}

// messageParameter is the position of the message in each call; functions for attributes have none.
var messageParameter = map[string]int{
	"Debug": 0, "Info": 0, "Warn": 0, "Error": 0,
	"DebugContext": 1, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1,
	"Log": 2, "LogAttrs": 2, "TextLog": 2,
}

var (
	lowerCase = regexp.MustCompile(`^[a-z]`)
	pronoun   = regexp.MustCompile(`(?i)\bit('s)?\b`)
)

func logFaults(info *types.Info, call *ast.CallExpr) (faults []string) {
	name := call.Fun.(*ast.SelectorExpr).Sel.Name
	if n, ok := messageParameter[name]; ok && n < len(call.Args) {
		if value := info.Types[call.Args[n]].Value; value != nil {
			message := constant.StringVal(value)
			if !lowerCase.MatchString(message) {
				faults = append(faults, "begins in upper case: "+message)
			}
			if pronoun.MatchString(message) {
				faults = append(faults, `names no subject but "it": `+message)
			}
		}
	}
	for _, argument := range call.Args {
		if isDuration(info.Types[argument].Type) {
			faults = append(faults, "logs a time.Duration; log a number, and name the unit in the key (retry_in_ms)")
		}
	}
	return faults
}

func isDuration(t types.Type) bool {
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	return t != nil && t.String() == "time.Duration"
}
