// Package schema holds the public GraphQL schema, which all else is made from.
package schema

import (
	"embed"
	"io/fs"
	"strings"
	"sync"
)

//go:embed *.graphqls
var files embed.FS

// SDL returns the whole schema in GraphQL's schema definition language.
var SDL = sync.OnceValue(func() string {
	names, err := fs.Glob(files, "*.graphqls")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	var sdl strings.Builder
	for i, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // the file is embedded
		}
		if i > 0 {
			sdl.WriteByte('\n')
		}
		sdl.Write(text)
	}
	return sdl.String()
})
