package drift

import (
	"context"
	"net/http"
)

// A DataRequest is what Drift says of a request under the GDPR that it took up.
type DataRequest struct {
	Message     string  `json:"message"`              // for people to read; never blank
	SentToEmail *string `json:"sentToEmail,omitzero"` // where a copy of the data is mailed; nil if none is, or Drift did not say
}

func (r *DataRequest) present() bool { return r != nil && r.Message != "" }

// RequestDataRetrieval has Drift mail all that it knows of the person with the
// email. Each call is one more mail.
//
// POST /gdpr/retrieve
// https://devdocs.drift.com/docs/gdpr-retrieval
func (c *Client) RequestDataRetrieval(ctx context.Context, email string) (*DataRequest, error) {
	return c.requestData(ctx, "/gdpr/retrieve", email)
}

// RequestDataDeletion has Drift forget the person with the email, which it does
// later and cannot undo.
//
// POST /gdpr/delete
// https://devdocs.drift.com/docs/gdpr-deletion
func (c *Client) RequestDataDeletion(ctx context.Context, email string) (*DataRequest, error) {
	return c.requestData(ctx, "/gdpr/delete", email)
}

// requestData makes a request that names a person by email.
func (c *Client) requestData(ctx context.Context, route, email string) (*DataRequest, error) {
	post := call{
		method: http.MethodPost,
		route:  route,
		body:   func(string) any { return map[string]string{"email": email} },
	}
	return fetch(ctx, c, post, written[DataRequest])
}
