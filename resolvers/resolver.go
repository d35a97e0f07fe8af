// Package resolvers says what each field of the schema is made of, one file for
// each file of schema/: it checks the arguments and asks the loaders. What a
// field costs stands above its resolver.
package resolvers

// A Resolver resolves the fields that are more than a read of a struct. It
// holds no state: all that belongs to an operation hangs off its loaders.
type Resolver struct{}
