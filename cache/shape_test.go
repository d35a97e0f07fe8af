package cache

import (
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

type (
	named   struct{ Name string }
	renamed struct{ Name string }
	chain   struct{ Next *chain }
	ring    struct{ Next []*ring }
	written struct{ Name string }
	private struct {
		Name string
		_    bool // which JSON leaves alone
	}
)

func (*written) UnmarshalJSONFrom(*jsontext.Decoder) error { return nil }

// TestShape holds which types share a shape: those that are written alike.
func TestShape(t *testing.T) {
	alike := [][]reflect.Type{
		{reflect.TypeFor[*named](), reflect.TypeFor[*renamed](), reflect.TypeFor[*private]()},
		{reflect.TypeFor[*written]()},
		{reflect.TypeFor[*chain]()},
		{reflect.TypeFor[*ring]()},
		{reflect.TypeFor[*struct{ Name *string }]()},
		{reflect.TypeFor[*struct{ Name []byte }]()},
		{reflect.TypeFor[*struct{ Name time.Time }]()},
		{reflect.TypeFor[*struct{ Name, Email string }]()},
		{reflect.TypeFor[*struct{ Email, Name string }]()},
		{reflect.TypeFor[*struct {
			Name string `json:"name"`
		}]()},
		{reflect.TypeFor[*struct {
			Name string `json:",omitempty"`
		}]()},
		{reflect.TypeFor[*struct{ named }]()},
		{reflect.TypeFor[*struct{ Named named }]()},
		{reflect.TypeFor[[]*named]()},
		{reflect.TypeFor[map[string]*named]()},
		{reflect.TypeFor[map[int]*named]()},
		{reflect.TypeFor[*[2]named]()},
		{reflect.TypeFor[*[3]named]()},
		{reflect.TypeFor[*int]()},
		{reflect.TypeFor[*string]()},
	}
	seen := map[shape]int{}
	for i, types := range alike {
		for _, typ := range types {
			s := shapeOf(typ)
			if j, known := seen[s]; known && j != i {
				t.Errorf("%s has the shape of %s", typ, alike[j][0])
			} else if !known && typ != types[0] {
				t.Errorf("%s has another shape than %s", typ, types[0])
			}
			seen[s] = i
		}
	}
}
