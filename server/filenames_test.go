package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A source maps names to the methods of one of a package's types.
type source map[string]method

type method struct {
	file string // base name
	decl *ast.FuncDecl
}

// methodsOf parses the methods of a type in the package at dir, except those in tests and generated code.
func methodsOf(t *testing.T, dir, typeName string) source {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	methods := source{}
	for _, path := range paths {
		base := filepath.Base(path)
		if strings.HasSuffix(base, "_test.go") || strings.HasSuffix(base, ".gen.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && receiver(f) == typeName {
				methods[f.Name.Name] = method{base, f}
			}
		}
	}
	return methods
}

// receiver returns the type that a method belongs to, or "" for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	if pointer, ok := typ.(*ast.StarExpr); ok {
		typ = pointer.X
	}
	name, _ := typ.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}

// isUseCase reports whether a method of core.Service takes a context. The others, such as Now, only answer a
// question about the service.
func isUseCase(f *ast.FuncDecl) bool {
	params := f.Type.Params.List
	if len(params) == 0 {
		return false
	}
	s, ok := params[0].Type.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Context"
}

// useCases lists the use cases of core that a handler names, itself or through another method of handlers.
func useCases(handlers, service source, handler string) []string {
	found := map[string]bool{}
	seen := map[string]bool{}
	var follow func(string)
	follow = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		ast.Inspect(handlers[name].decl, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := s.X.(*ast.SelectorExpr); ok && of.Sel.Name == "service" {
				if m, is := service[s.Sel.Name]; is && isUseCase(m.decl) {
					found[s.Sel.Name] = true
				}
			} else if of, ok := s.X.(*ast.Ident); ok && of.Name == "h" && handlers[s.Sel.Name].decl != nil {
				follow(s.Sel.Name)
			}
			return true
		})
	}
	follow(handler)
	return slices.Sorted(maps.Keys(found))
}

// TestOperationFileNamesMatchCore checks that a resource has the same file name in both packages, so that the handler
// in server/ leads to the use case in core/ without a search.
func TestOperationFileNamesMatchCore(t *testing.T) {
	t.Parallel()
	handlers, service := methodsOf(t, ".", "handlers"), methodsOf(t, "../core", "Service")
	for _, op := range operations(t) {
		handler, found := handlers[op.OperationID]
		if !found {
			t.Errorf("%s has no handler", op.OperationID)
			continue
		}
		names := useCases(handlers, service, op.OperationID)
		// A ping answers without looking at anything.
		if len(names) == 0 && op.OperationID != "HealthPing" {
			t.Errorf("%s calls no use case of core", op.OperationID)
		}
		for _, name := range names {
			if service[name].file != handler.file {
				t.Errorf("%s is in server/%s, and its use case %s in core/%s; give both files one name",
					op.OperationID, handler.file, name, service[name].file)
			}
		}
	}
}
