package graph

import (
	"context"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// Bounds of what is kept and told of documents.
const (
	documentBytes = 16 << 20 // of memory that valid documents are kept in, roughly
	tokenBytes    = 120      // that a token takes in a parsed document, roughly
	maxErrors     = 20       // told of one document
	maxMessage    = 500      // bytes of the message of an error about a request, which may quote it
)

// An Executor is gqlgen's, which it gives only documents that are within the
// limits and valid. It reads each document itself, since gqlgen bounds neither
// what validation costs nor how much it has to say.
type Executor struct {
	*executor.Executor
	Persisted *Persisted // nil if requests hold their documents

	schema      *ast.Schema
	limits      Limits
	suggestions bool
	documents   *otter.Cache[string, document] // valid ones by their text
}

// A document is parsed and valid.
type document struct {
	parsed *ast.QueryDocument
	bytes  uint32
}

// NewExecutor returns an Executor. Its errors name fields and types of the schema
// that were not asked for only if they may suggest them.
func NewExecutor(schema graphql.ExecutableSchema, limits Limits, suggestions bool) *Executor {
	e := &Executor{
		Executor:    executor.New(schema),
		schema:      schema.Schema(),
		limits:      limits,
		suggestions: suggestions,
		documents: otter.Must(&otter.Options[string, document]{
			MaximumWeight: documentBytes,
			Weigher:       func(text string, d document) uint32 { return uint32(len(text)) + d.bytes }, // #nosec G115 -- bounded by MAX_BODY_BYTES
		}),
	}
	e.SetQueryCache(validDocuments{e.documents})
	e.SetParserTokenLimit(limits.Tokens)
	e.SetDisableSuggestion(!suggestions)
	return e
}

// CreateOperationContext reads a request, up to what executes it.
func (e *Executor) CreateOperationContext(ctx context.Context, params *graphql.RawParams) (*graphql.OperationContext, gqlerror.List) {
	keep, refused := e.read(ctx, params)
	if refused != nil {
		return &graphql.OperationContext{
			RawQuery:      params.Query,
			OperationName: params.OperationName,
			Extensions:    params.Extensions,
			Headers:       params.Headers,
			Stats:         graphql.Stats{Read: params.ReadTime, OperationStart: graphql.GetStartTime(ctx)},
		}, refused
	}
	if keep != "" {
		e.Persisted.Store.Put(ctx, e.Persisted.Tenant(ctx), keep, params.Query)
	}
	return e.Executor.CreateOperationContext(ctx, params)
}

// read gives a request its document and checks that. keep is the hash to register
// it under, "" for none.
func (e *Executor) read(ctx context.Context, params *graphql.RawParams) (keep string, refused gqlerror.List) {
	if e.Persisted != nil {
		var err *gqlerror.Error
		if keep, err = e.Persisted.find(ctx, params); err != nil {
			return "", gqlerror.List{err}
		}
	}
	return keep, e.Check(params.Query)
}

// Check returns why a document is not executed, at most maxErrors reasons; nil if
// it may be.
func (e *Executor) Check(text string) gqlerror.List {
	if _, known := e.documents.GetIfPresent(text); known {
		return nil
	}
	source := &ast.Source{Input: text}
	tokens, refused := e.limits.checkText(source)
	if refused != nil {
		return gqlerror.List{refused}
	}
	doc, err := parser.ParseQuery(source)
	if err != nil {
		refused := gqlerror.WrapIfUnwrapped(err)
		errcode.Set(refused, errcode.ParseFailed)
		return gqlerror.List{refused}
	}
	if len(doc.Operations) == 0 {
		refused := gqlerror.Errorf("no operation provided")
		errcode.Set(refused, errcode.ValidationFailed)
		return gqlerror.List{refused}
	}
	if cyclic(doc) { // the one rule that all others, and the limits, rely on
		return e.validate(doc, rules.NewRules(rules.NoFragmentCyclesRule))
	}
	if refused := e.limits.checkForm(e.schema, doc); refused != nil {
		return gqlerror.List{refused}
	}
	if invalid := e.validate(doc, e.rules()); len(invalid) > 0 {
		return invalid
	}
	e.documents.Set(text, document{doc, uint32(len(text) + tokens*tokenBytes)}) // #nosec G115 -- bounded by MAX_BODY_BYTES and MAX_TOKENS
	return nil
}

// enough ends a validation that has found maxErrors errors.
type enough struct{}

// validate returns the first errors that validation finds. It looks for no more,
// since telling of each may cost more than finding it.
func (e *Executor) validate(doc *ast.QueryDocument, by *rules.Rules) (found gqlerror.List) {
	defer func() {
		if cause := recover(); cause != nil && cause != any(enough{}) {
			panic(cause)
		}
	}()
	bounded := rules.NewRules()
	for name, rule := range by.GetInner() {
		bounded.AddRule(name, func(observers *core.Events, add core.AddErrFunc) {
			rule(observers, func(options ...core.ErrorOption) {
				err := &gqlerror.Error{Rule: name}
				for _, option := range options {
					option(err)
				}
				errcode.Set(err, errcode.ValidationFailed)
				if found = append(found, err); len(found) == maxErrors {
					panic(enough{})
				}
			})
		})
	}
	validator.ValidateWithRules(e.schema, doc, bounded)
	return found
}

// rules returns the rules that documents must follow.
func (e *Executor) rules() *rules.Rules {
	all := rules.NewDefaultRules()
	if !e.suggestions {
		for with, without := range map[string]core.Rule{
			rules.FieldsOnCorrectTypeRule.Name: rules.FieldsOnCorrectTypeRuleWithoutSuggestions,
			rules.KnownArgumentNamesRule.Name:  rules.KnownArgumentNamesRuleWithoutSuggestions,
			rules.KnownTypeNamesRule.Name:      rules.KnownTypeNamesRuleWithoutSuggestions,
			rules.ScalarLeafsRule.Name:         rules.ScalarLeafsRuleWithoutSuggestions,
			rules.ValuesOfCorrectTypeRule.Name: rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
		} {
			all.RemoveRule(with)
			all.AddRule(without.Name, without.RuleFunc)
		}
	}
	return all
}

// validDocuments lets gqlgen find the documents that an Executor has checked.
type validDocuments struct{ *otter.Cache[string, document] }

// Get returns a document by its text.
func (v validDocuments) Get(_ context.Context, text string) (*ast.QueryDocument, bool) {
	d, ok := v.GetIfPresent(text)
	return d.parsed, ok
}

// Add does nothing: the Executor has added what is valid.
func (validDocuments) Add(context.Context, string, *ast.QueryDocument) {}

// shortened cuts a message that quotes too much.
func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	cut := maxMessage
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "…"
}
