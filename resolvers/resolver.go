// Package resolvers says what each field of the schema is made of, one file for
// each file of schema/: it checks the arguments and asks the loaders. What a
// field costs stands above its resolver.
package resolvers

import "github.com/driftgraph/driftgraph/audit"

// A Resolver resolves the fields that are more than a read of a struct. It
// holds no state of an operation: all of that hangs off its loaders.
type Resolver struct {
	Audit *audit.Log // of requests about what is known of a person
}
