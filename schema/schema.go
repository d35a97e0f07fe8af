// Package schema holds the public GraphQL schema, which all else is made from.
package schema

import (
	"embed"
	"io/fs"
	"slices"
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
	var sdl strings.Builder
	formatter.NewFormatter(&sdl, formatter.WithIndent("  ")).FormatSchema(Schema())
	return sdl.String()
})

// Schema returns the whole schema, which nobody may change. Where something takes
// permissions its description ends by them, since clients do not see directives.
var Schema = sync.OnceValue(func() *ast.Schema {
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
	s := gqlparser.MustLoadSchema(sources...)
	for _, typ := range s.Types {
		if typ.Kind != ast.Object || typ.BuiltIn {
			continue
		}
		own := required(typ.Directives)
		typ.Description = describe(typ.Description, own)
		for _, f := range typ.Fields {
			result := s.Types[f.Type.Name()]
			if result.IsAbstractType() {
				f.Description += " Takes the permission that the type of the object takes."
				continue
			}
			more := slices.DeleteFunc(slices.Clone(needs(typ, f, result)), func(p string) bool { return slices.Contains(own, p) })
			f.Description = describe(f.Description, more)
		}
	}
	return s
})

// describe adds permissions to a description.
func describe(description string, permissions []string) string {
	switch len(permissions) {
	case 0:
		return description
	case 1:
		return description + " Takes the permission `" + permissions[0] + "`."
	}
	return description + " Takes the permissions `" + strings.Join(permissions, "` and `") + "`."
}

// required returns the permissions of @requires, none if it is not there.
func required(directives ast.DirectiveList) []string {
	d := directives.ForName("requires")
	if d == nil {
		return nil
	}
	var permissions []string
	for _, value := range d.Arguments.ForName("permissions").Value.Children {
		permissions = append(permissions, value.Value.Raw)
	}
	return permissions
}

// needs returns the permissions that a field takes: those at both of its ends, and
// its own.
func needs(typ *ast.Definition, f *ast.FieldDefinition, result *ast.Definition) []string {
	all := slices.Concat(required(typ.Directives), required(f.Directives), required(result.Directives))
	var each []string
	for _, p := range all {
		if !slices.Contains(each, p) {
			each = append(each, p)
		}
	}
	return each
}

// A Place is a field of a type, or with no Field the type itself.
type Place struct{ Type, Field string }

var permissions = sync.OnceValue(func() map[Place][]string {
	s, all := Schema(), make(map[Place][]string)
	for _, typ := range s.Types {
		if typ.Kind != ast.Object || typ.BuiltIn {
			continue
		}
		all[Place{Type: typ.Name}] = required(typ.Directives)
		for _, f := range typ.Fields {
			all[Place{typ.Name, f.Name}] = needs(typ, f, s.Types[f.Type.Name()])
		}
	}
	return all
})

// Permissions returns the names of the permissions that a place takes. Of a field
// that leads to an interface or a union, those of the object's type come to them.
func Permissions(p Place) []string { return permissions()[p] }
