package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/documents"
)

// Persisted says which documents clients may name instead of sending them.
type Persisted struct {
	Store   *documents.Store   // those that clients register
	Trusted *documents.Trusted // those of a manifest; nil for none
	Only    bool               // whether nothing but what is trusted is executed

	// Tenant returns the tenant of the caller, who finds what others of it registered.
	Tenant func(context.Context) cache.Tenant
}

// persistedExtension is the member of a request's extensions that names a document.
const persistedExtension = "persistedQuery"

// A reference names a document. It takes the place of persistedExtension in the
// extensions of a request that was read.
type reference struct {
	id   string // of a trusted document
	hash string // of its text, by SHA-256
}

// refer reads which document a request names, if any: by the given id, or by its
// extensions. It must name one, or have its text.
func refer(id string, params *graphql.RawParams) *requestFault {
	ref := reference{id: id}
	if value := params.Extensions[persistedExtension]; value != nil {
		members, ok := value.(map[string]any)
		hash, isText := members["sha256Hash"].(string)
		version, _ := members["version"].(json.Number)
		if !ok || !isText || version != "1" {
			return &requestFault{status: http.StatusBadRequest, message: "extensions.persistedQuery takes version 1 and a sha256Hash"}
		}
		ref.hash = hash
	}
	// A document may have an id of the form that the draft on persisted documents has.
	if hash, ok := strings.CutPrefix(ref.id, "sha256:"); ok && ref.hash == "" {
		ref.hash = hash
	}
	delete(params.Extensions, persistedExtension)
	if ref != (reference{}) {
		if params.Extensions == nil {
			params.Extensions = map[string]any{}
		}
		params.Extensions[persistedExtension] = ref
	} else if params.Query == "" {
		return &requestFault{status: http.StatusBadRequest, message: "query is missing; it takes a GraphQL document"}
	}
	return nil
}

// find gives a request the text of the document that it names. keep is the hash to
// register its text under once it is known to be valid, "" for none.
func (p *Persisted) find(ctx context.Context, params *graphql.RawParams) (keep string, refused *gqlerror.Error) {
	ref, _ := params.Extensions[persistedExtension].(reference)
	if p.Trusted != nil {
		for _, id := range []string{ref.id, ref.hash} {
			text, trusted := p.Trusted.Text(id)
			switch {
			case !trusted:
				continue
			case params.Query != "" && params.Query != text:
				return "", refusedAs(CodeBadUserInput, "the document is not the one that has its id")
			}
			params.Query = text
			return "", nil
		}
	}
	switch {
	case p.Only && (params.Query == "" || p.Trusted == nil || !p.Trusted.Has(params.Query)):
		return "", refusedAs(CodeDocumentNotTrusted, "the document is none of those that the gateway trusts")
	case p.Only:
		return "", nil
	case ref.hash == "" && params.Query == "":
		return "", refusedAs(CodeDocumentNotTrusted, "no document that the gateway trusts has this id")
	case ref.hash == "":
		return "", nil
	case params.Query == "":
		text, found := p.Store.Get(ctx, p.Tenant(ctx), strings.ToLower(ref.hash))
		if !found { // in the words that clients look for
			return "", refusedAs(CodePersistedQueryNotFound, "PersistedQueryNotFound")
		}
		params.Query = text
		return "", nil
	}
	hash := documents.Hash(params.Query)
	if !strings.EqualFold(hash, ref.hash) {
		return "", refusedAs(CodeBadUserInput, "sha256Hash is not the hash of the document")
	}
	return hash, nil
}

// refusedAs refuses a request.
func refusedAs(code, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": code}}
}
