package errcode

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"testing"
)

// The table has every constant exactly once.
func TestRows(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errcode.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	for _, decl := range file.Decls {
		if decl, ok := decl.(*ast.GenDecl); ok && decl.Tok == token.CONST {
			for _, spec := range decl.Specs {
				code, err := strconv.Unquote(spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
				if err != nil || codes[code] {
					t.Error(code, "is declared twice, or", err)
				}
				codes[code] = true
			}
		}
	}
	for _, row := range rows {
		if !codes[row.code] {
			t.Error(row.code, "is in the table twice, or is no constant")
		}
		delete(codes, row.code)
		if row.cause == "" || row.action == "" {
			t.Error(row.code, "is not explained")
		}
	}
	if len(codes) > 0 {
		t.Error("not in the table:", slices.Sorted(maps.Keys(codes)))
	}
}

func TestOfServer(t *testing.T) {
	for code, want := range map[string]bool{
		UpstreamTimeout: true, InternalServerError: true, BadUserInput: false, ClientTooSlow: false, "": false,
	} {
		if OfServer(code) != want {
			t.Errorf("%s: want %t", code, want)
		}
	}
}
