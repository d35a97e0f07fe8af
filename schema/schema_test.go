package schema_test

import (
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/driftgraph/driftgraph/schema"
)

func TestTypesStandInOnePiece(t *testing.T) {
	doc, err := parser.ParseSchema(&ast.Source{Input: schema.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	for _, extension := range doc.Extensions {
		t.Errorf("%s is extended in line %d", extension.Name, extension.Position.Line)
	}
	query := doc.Definitions.ForName("Query")
	if query == nil {
		t.Fatal("there is no Query")
	}
	for _, name := range []string{"node", "contact", "conversations"} { // the first is defined where Query is, the others in files that extend it
		field := query.Fields.ForName(name)
		if field == nil {
			t.Errorf("Query has no field %s", name)
		} else if field.Description == "" {
			t.Errorf("Query.%s has lost its description", name)
		}
	}
}
