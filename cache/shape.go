package cache

import (
	"crypto/sha256"
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
)

// A shape stands for how a type is written: types that are built otherwise have
// another. It is part of each record in Redis, so that versions of the program
// that share one never take each other's records for their own, though they have
// the same keys: a drop by one is a drop for all.
//
// What it cannot tell is that a method which writes or reads a type does so
// otherwise: see KindOptions.Name.
type shape [4]byte

// ownForms are what types implement that write or read themselves.
var ownForms = [...]reflect.Type{
	reflect.TypeFor[json.MarshalerTo](), reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
	reflect.TypeFor[encoding.TextAppender](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
}

// shapeOf returns the shape of a type.
func shapeOf(t reflect.Type) (s shape) {
	var text strings.Builder
	describe(&text, t, make(map[reflect.Type]int))
	sum := sha256.Sum256([]byte(text.String()))
	copy(s[:], sum[:])
	return s
}

// describe writes what tells a type from one that is written otherwise. Within
// is the types that it is a part of, by their depth.
func describe(text *strings.Builder, t reflect.Type, within map[reflect.Type]int) {
	if depth, known := within[t]; known {
		fmt.Fprintf(text, "up to %d", depth)
		return
	}
	within[t] = len(within)
	defer delete(within, t)
	for i, own := range ownForms {
		if t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(own) {
			fmt.Fprintf(text, "%s.%s by itself %d ", t.PkgPath(), t.Name(), i)
		}
	}
	text.WriteString(t.Kind().String())
	switch t.Kind() {
	case reflect.Array:
		fmt.Fprint(text, t.Len(), " ")
		describe(text, t.Elem(), within)
	case reflect.Pointer, reflect.Slice:
		text.WriteByte(' ')
		describe(text, t.Elem(), within)
	case reflect.Map:
		text.WriteByte('[')
		describe(text, t.Key(), within)
		text.WriteByte(']')
		describe(text, t.Elem(), within)
	case reflect.Struct:
		text.WriteByte('{')
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() && !f.Anonymous {
				continue
			}
			fmt.Fprintf(text, "%s %q %t ", f.Name, f.Tag, f.Anonymous)
			describe(text, f.Type, within)
			text.WriteByte(';')
		}
		text.WriteByte('}')
	}
}
