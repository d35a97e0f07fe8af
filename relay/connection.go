package relay

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
)

// How many entries a page of a connection has if the client does not say, and
// at most.
const (
	DefaultPage = 20
	MaxPage     = 100
)

// A Connection is a page of a list.
type Connection[T any] struct {
	Edges    []Edge[T]
	PageInfo PageInfo
}

// An Edge is an entry of a list with its place.
type Edge[T any] struct {
	Node  T
	Place Cursor
}

// A PageInfo tells where a page stands in its list.
type PageInfo struct {
	HasNextPage     bool
	HasPreviousPage bool
	first, last     Cursor // nil if the page is empty
}

// NewConnection returns a page of the given edges.
func NewConnection[T any](edges []Edge[T], previous, next bool) *Connection[T] {
	c := &Connection[T]{Edges: edges, PageInfo: PageInfo{HasPreviousPage: previous, HasNextPage: next}}
	if len(edges) > 0 {
		c.PageInfo.first, c.PageInfo.last = edges[0].Place, edges[len(edges)-1].Place
	}
	return c
}

// Nodes returns the entries of the page without their places.
func (c *Connection[T]) Nodes() []T {
	nodes := make([]T, len(c.Edges))
	for i := range c.Edges {
		nodes[i] = c.Edges[i].Node
	}
	return nodes
}

// Cursor returns the place of the edge as clients see it.
func (e Edge[T]) Cursor() string { return e.Place.String() }

// StartCursor returns the cursor of the first edge, nil if there is none.
func (p PageInfo) StartCursor() *string { return p.first.pointer() }

// EndCursor returns the cursor of the last edge, nil if there is none.
func (p PageInfo) EndCursor() *string { return p.last.pointer() }

// A Cursor is a place in a list: what kind of list it is, then what that list
// needs to find the place again. Clients see it as an opaque text.
type Cursor []string

// cursorVersion is the first byte of every cursor, so that the form can change
// while old cursors stay readable.
const cursorVersion = "1"

// String returns the opaque text.
func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorVersion + strings.Join(c, "\x00")))
}

func (c Cursor) pointer() *string {
	if c == nil {
		return nil
	}
	s := c.String()
	return &s
}

// ParseCursor reads a cursor of the given kind of list, which has so many
// parts beside the kind. The argument is named in the error.
func ParseCursor(argument, text, kind string, parts int) (Cursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil && len(raw) > 0 && string(raw[:1]) == cursorVersion {
		if c := Cursor(strings.Split(string(raw[1:]), "\x00")); len(c) == parts+1 && c[0] == kind {
			return c, nil
		}
	}
	return nil, BadCursor(argument)
}

// BadCursor is the error for a cursor that the list does not know.
func BadCursor(argument string) error {
	return BadInput("%s is not a cursor of this list; it takes a `cursor`, `startCursor` or `endCursor` that the same field returned", argument)
}

// Size reads the number of entries that a client asks for by the named argument.
func Size(argument string, n *int) (int, error) {
	switch {
	case n == nil:
		return DefaultPage, nil
	case *n < 0 || *n > MaxPage:
		return 0, BadInput("%s is %d; it takes 0 to %d", argument, *n, MaxPage)
	}
	return *n, nil
}

// A Window says which part of a list in hand a client asks for.
type Window struct {
	List  string // the list, as its cursors name it
	First int    // how many, from 0 to MaxPage
	After Cursor // the entry before the first; nil for the front
}

// ParseWindow reads the arguments first and after of a list in hand. The list is
// named for its cursors, so that no other list takes them: two lists of which
// one has entries that the other has not need two names.
func ParseWindow(list string, first *int, after *string) (Window, error) {
	n, err := Size("first", first)
	if err != nil {
		return Window{}, err
	}
	w := Window{List: list, First: n}
	if after != nil {
		if w.After, err = ParseCursor("after", *after, list, 2); err != nil {
			return Window{}, err
		}
		if place, err := strconv.Atoi(w.After[1]); err != nil || place < 0 {
			return Window{}, BadCursor("after")
		}
	}
	return w, nil
}

// Slice cuts a page out of a list that is wholly in hand. An entry is found
// again by its id, and by its place if it is gone.
func Slice[T any](list []T, id func(T) string, w Window) *Connection[T] {
	start := 0
	if w.After != nil {
		start = min(w.Offset(), len(list))
		for i, v := range list {
			if id(v) == w.After[2] {
				start = i + 1
				break
			}
		}
	}
	end := min(start+w.First, len(list))
	edges := make([]Edge[T], 0, end-start)
	for i := start; i < end; i++ {
		edges = append(edges, Edge[T]{Node: list[i], Place: w.Place(i, id(list[i]))})
	}
	return NewConnection(edges, start > 0, end < len(list))
}

// Place is that of an entry in a list in hand, or in one that pages by offset:
// how many come before it, and its id.
func (w Window) Place(before int, id string) Cursor {
	return Cursor{w.List, strconv.Itoa(before), id}
}

// Offset returns how many entries of a list that pages by offset come before
// the first that w asks for.
func (w Window) Offset() int {
	if w.After == nil {
		return 0
	}
	place, _ := strconv.Atoi(w.After[1])
	return min(place, math.MaxInt-1) + 1
}
