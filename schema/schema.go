// Package schema holds the public GraphQL schema, which all else is made from.
package schema

import (
	"embed"
	"io/fs"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

//go:embed *.graphqls
var files embed.FS

// SDL returns the whole schema in GraphQL's schema definition language. Each
// type stands in one piece, without extensions: Relay's compiler takes what
// extends a type for fields of the client's own, and never asks for them.
var SDL = sync.OnceValue(func() string {
	names, err := fs.Glob(files, "*.graphqls")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	var sources []*ast.Source
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // the file is embedded
		}
		sources = append(sources, &ast.Source{Name: name, Input: string(text)})
	}
	var sdl strings.Builder
	formatter.NewFormatter(&sdl, formatter.WithIndent("  ")).FormatSchema(gqlparser.MustLoadSchema(sources...))
	return sdl.String()
})
