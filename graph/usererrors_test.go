package graph_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/graph"
)

// TestUserErrors holds what is told of Drift's refusals, in the forms that its
// documents show and leave open.
func TestUserErrors(t *testing.T) {
	blame := graph.Blame{Missing: "id", Taken: "domain", Words: map[string]string{"domain": "domain", "ownerid": "ownerId"}}
	tests := []struct {
		refusal drift.Error
		want    string // code and field of each; "" if it is for nobody to mend
	}{
		{drift.Error{Status: 404, Type: "not_found"}, "NOT_FOUND id"},
		{drift.Error{Status: 404, Code: "CONTACT-1"}, "NOT_FOUND id"},
		{drift.Error{Status: 401, Code: "CONTACT-2"}, ""},
		{drift.Error{Status: 400, Code: "CONTACT-4"}, "INVALID attributes"},
		{drift.Error{Status: 500, Code: "CONTACT-5"}, ""},
		{drift.Error{Status: 409, Code: "CONTACT-6"}, "TAKEN domain"},
		{drift.Error{Status: 400, Code: "CONTACT-6"}, "TAKEN domain"},
		{drift.Error{Status: 400, Code: "CONTACT-7"}, "REQUIRED email"},
		{drift.Error{Status: 400, Code: "CONTACT-8"}, "INVALID attributes"},
		{drift.Error{Status: 400, Code: "CONTACT-9"}, "INVALID attributes.tags"},
		{drift.Error{Status: 400, Code: "CONTACT-10"}, ""},
		{drift.Error{Status: 400, Code: "CONTACT-11", Message: "of people"}, "REFUSED "},
		{drift.Error{Status: 400, Type: "validation_error"}, "REFUSED "},
		{drift.Error{Status: 400, Param: "ownerId"}, "INVALID ownerId"},
		{drift.Error{Status: 400, Message: "An account with this domain already exists"}, "TAKEN domain"},
		{drift.Error{Status: 422, Message: "Domain: not an internet domain"}, "INVALID domain"},
		{drift.Error{Status: 409}, "TAKEN domain"},
		{drift.Error{Status: 400, Param: "domain", Others: []drift.Problem{{Param: "ownerId"}, {Param: "domain"}}}, "INVALID domain, INVALID ownerId"},
		{drift.Error{Status: 403}, ""},
		{drift.Error{Status: 429}, ""},
		{drift.Error{Status: 502}, ""},
		{drift.Error{Err: drift.ErrTimeout}, ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.refusal.Status, tt.refusal.Code, tt.refusal.Param, tt.refusal.Message), func(t *testing.T) {
			refused, err := graph.UserErrors(&tt.refusal, blame)
			var got []string
			for _, e := range refused {
				got = append(got, string(e.Code)+" "+strings.Join(e.Field[1:], "."))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("the errors differ (-want +got):\n%s", diff)
			}
			if (err == nil) == (tt.want == "") {
				t.Errorf("the error is %v beside %v", err, refused)
			}
		})
	}
	if _, err := graph.UserErrors(&drift.Error{Status: 404}, graph.Blame{}); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("an absent record that the input does not name is told as %v", err)
	}
	if refused, err := graph.UserErrors(nil, blame); refused != nil || err != nil {
		t.Errorf("no error is told as %v, %v", refused, err)
	}
}
