package relay_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/relay"
)

func TestSize(t *testing.T) {
	if n, err := relay.Size("first", nil); n != relay.DefaultPage || err != nil {
		t.Errorf("no size is %d, %v; want %d", n, err, relay.DefaultPage)
	}
	for n, ok := range map[int]bool{-1: false, 0: true, 1: true, relay.MaxPage: true, relay.MaxPage + 1: false} {
		got, err := relay.Size("last", &n)
		if ok && (got != n || err != nil) {
			t.Errorf("%d is %d, %v", n, got, err)
		}
		if !ok && (err == nil || err.Error() != "last is "+strconv.Itoa(n)+"; it takes 0 to 100") {
			t.Errorf("%d gives %v; want an error that says the range", n, err)
		}
	}
}

// TestCursorRoundTrip shows that a cursor is read as it was written, by its own
// list alone.
func TestCursorRoundTrip(t *testing.T) {
	part := rapid.StringMatching(`[^\x00]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		c := relay.Cursor(append([]string{part.Draw(t, "list")}, rapid.SliceOfN(part, 0, 5).Draw(t, "parts")...))
		text := c.String()
		got, err := relay.ParseCursor("after", text, c[0], len(c)-1)
		if err != nil || !slices.Equal(got, c) {
			t.Fatalf("%q is read as %q, %v", c, got, err)
		}
		if got, err := relay.ParseCursor("after", text, c[0]+"x", len(c)-1); err == nil {
			t.Fatalf("%q is taken for one of another list: %q", c, got)
		}
		if got, err := relay.ParseCursor("after", text, c[0], len(c)); err == nil {
			t.Fatalf("%q is taken for one with more parts: %q", c, got)
		}
	})
}

// TestParseCursorRefuses shows that other text is refused with an InputError
// that names the argument and does not repeat the text.
func TestParseCursorRefuses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		c, err := relay.ParseCursor("before", text, "list", 1)
		if err == nil {
			if c.String() != text {
				t.Fatalf("%q is read as %q, whose text is %q", text, c, c.String())
			}
			return
		}
		var input *relay.InputError
		if !errors.As(err, &input) || !strings.HasPrefix(err.Error(), "before is not a cursor") || len(text) > 20 && strings.Contains(err.Error(), text) {
			t.Fatalf("%q gives %v", text, err)
		}
	})
}

// TestSlice walks a list that changes between pages: what stays is seen once
// and in order, as long as the entry of the cursor stays too.
func TestSlice(t *testing.T) {
	id := func(s string) string { return s }
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,6}`), 0, 40, id).Draw(t, "list")
		seen := []string{}
		var after *string
		for {
			n := rapid.IntRange(1, 9).Draw(t, "first")
			w, err := relay.ParseWindow("list", &n, after)
			if err != nil {
				t.Fatal(err)
			}
			page := relay.Slice(list, id, w)
			if len(page.Edges) > n {
				t.Fatalf("%d entries, %d were asked for", len(page.Edges), n)
			}
			if page.PageInfo.HasPreviousPage != (len(seen) > 0) || page.PageInfo.HasNextPage != (len(seen)+len(page.Edges) < len(list)) {
				t.Fatalf("after %d of %d, %d more: %+v", len(seen), len(list), len(page.Edges), page.PageInfo)
			}
			seen = append(seen, page.Nodes()...)
			if !page.PageInfo.HasNextPage {
				break
			}
			after = page.PageInfo.EndCursor()
			if rapid.Bool().Draw(t, "an entry is added in front") {
				added := "new" + strconv.Itoa(len(list))
				list, seen = slices.Insert(list, 0, added), slices.Insert(seen, 0, added)
			}
		}
		if !slices.Equal(seen, list) {
			t.Fatalf("the pages hold %q, want %q", seen, list)
		}
	})
}

// TestSliceGone goes on where an entry stood that is gone meanwhile.
func TestSliceGone(t *testing.T) {
	id := func(s string) string { return s }
	n := 2
	w, err := relay.ParseWindow("list", &n, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := relay.Slice([]string{"a", "b", "c", "d"}, id, w)
	w, err = relay.ParseWindow("list", &n, first.PageInfo.EndCursor())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ list, want []string }{
		{[]string{"a", "c", "d"}, []string{"d"}}, // b is gone: c has its place
		{[]string{"a"}, nil},
		{nil, nil},
		{[]string{"c", "d", "b", "a"}, []string{"a"}}, // b has moved
	} {
		if got := relay.Slice(tt.list, id, w).Nodes(); !slices.Equal(got, tt.want) {
			t.Errorf("after b in %q comes %q, want %q", tt.list, got, tt.want)
		}
	}
}

func TestEmptyConnection(t *testing.T) {
	c := relay.NewConnection[string](nil, true, false)
	if c.PageInfo.StartCursor() != nil || c.PageInfo.EndCursor() != nil || len(c.Nodes()) != 0 || c.Nodes() == nil {
		t.Errorf("an empty page is %+v with %v", c.PageInfo, c.Nodes())
	}
}

// TestOffset holds cursors whose place is none, or beyond what there is.
func TestOffset(t *testing.T) {
	for place, ok := range map[string]bool{"0": true, "17": true, "9223372036854775807": true, "-1": false, "x": false, "": false, "9223372036854775808": false} {
		text := relay.Cursor{"list", place, "id"}.String()
		w, err := relay.ParseWindow("list", nil, &text)
		if (err == nil) != ok {
			t.Errorf("the place %q gives %v", place, err)
		}
		if err == nil && w.Offset() < 1 {
			t.Errorf("after the place %q come those from %d", place, w.Offset())
		}
	}
}
