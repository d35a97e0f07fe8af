package sandbox

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
)

// The scopes that Drift gives to apps.
const (
	contactRead       = "contact_read"
	contactWrite      = "contact_write"
	allContactRead    = "all_contact_read"
	conversationRead  = "conversation_read"
	conversationWrite = "conversation_write"
	userRead          = "user_read"
	userWrite         = "user_write"
	accountRead       = "account_read"
	accountWrite      = "account_write"
	playbookRead      = "playbook_read"
	gdprRead          = "gdpr_read"
	gdprWrite         = "gdpr_write"
)

// allScopes are those of an app that may do everything.
var allScopes = []string{
	contactRead, contactWrite, allContactRead, conversationRead, conversationWrite, userRead, userWrite,
	accountRead, accountWrite, playbookRead, gdprRead, gdprWrite,
}

// What stands for a scope where a route needs none.
const (
	anyToken = ""
	noToken  = "no token"
)

// A route is a method and a path of the API.
type route struct {
	method string
	path   string   // with {id} and {name} for what varies
	scope  string   // that the token needs
	writes bool     // the handler changes the organisation
	params []string // of the query; only the routes of contacts mind others
	handle func(*Sandbox, *request) (answer, error)

	segments []string // of path
}

// read makes a route whose handler changes nothing, and runs beside others.
func read(name, scope string, handle func(*Sandbox, *request) (answer, error), params ...string) route {
	method, path, _ := strings.Cut(name, " ")
	return route{
		method: method, path: path, scope: scope, handle: handle, params: params,
		segments: strings.Split(strings.TrimPrefix(path, "/"), "/"),
	}
}

// write makes a route whose handler has the organisation for itself.
func write(name, scope string, handle func(*Sandbox, *request) (answer, error), params ...string) route {
	rt := read(name, scope, handle, params...)
	rt.writes = true
	return rt
}

// routes lists the API. Of two routes that match, the first counts.
func routes() []route {
	return []route{
		read("GET /", noToken, (*Sandbox).index),

		read("GET /contacts", contactRead, (*Sandbox).findContacts, "email", "limit", "page_token", "idType", "id"),
		write("POST /contacts", contactWrite, (*Sandbox).createContact),
		read("GET /contacts/attributes", allContactRead, (*Sandbox).listAttributes),
		write("POST /contacts/timeline", contactWrite, (*Sandbox).createTimelineEvent),
		write("PATCH /contacts/normalize", contactWrite, (*Sandbox).normalizeContact, "idType", "id"),
		read("GET /contacts/{id}", contactRead, (*Sandbox).getContact),
		write("PATCH /contacts/{id}", contactWrite, (*Sandbox).updateContact),
		write("DELETE /contacts/{id}", contactWrite, (*Sandbox).deleteContact),
		read("GET /contacts/{id}/tags", contactRead, (*Sandbox).listContactTags),
		write("POST /contacts/{id}/tags", contactWrite, (*Sandbox).addContactTags),
		write("POST /contacts/{id}/tags/delete/_bulk", contactWrite, (*Sandbox).deleteContactTags),
		write("DELETE /contacts/{id}/tags/{name}", contactWrite, (*Sandbox).deleteContactTag),
		write("POST /emails/unsubscribe", contactWrite, (*Sandbox).unsubscribe),

		read("GET /users", userRead, (*Sandbox).findUsers),
		read("GET /users/list", userRead, (*Sandbox).listUsers),
		write("PATCH /users/update", userWrite, (*Sandbox).updateUser),
		read("GET /users/meetings/org", userRead, (*Sandbox).listMeetings),
		read("GET /users/{id}", userRead, (*Sandbox).getUser),
		read("GET /teams/org", userRead, (*Sandbox).listTeams),
		read("GET /teams/users/{id}", userRead, (*Sandbox).listTeamsOfUser),

		read("GET /conversations/list", conversationRead, (*Sandbox).listConversations),
		read("GET /conversations/stats", conversationRead, (*Sandbox).countConversations),
		write("POST /conversations/new", conversationWrite, (*Sandbox).createConversation),
		read("GET /conversations/{id}", conversationRead, (*Sandbox).getConversation),
		read("GET /conversations/{id}/messages", conversationRead, (*Sandbox).listMessages),
		write("POST /conversations/{id}/messages", conversationWrite, (*Sandbox).createMessage),
		read("GET /conversations/{id}/transcript", conversationRead, (*Sandbox).getTranscript),
		read("GET /conversations/{id}/json_transcript", conversationRead, (*Sandbox).getJSONTranscript),
		read("GET /attachments/{id}/data", conversationRead, (*Sandbox).getAttachment),
		read("POST /reports/conversations", conversationRead, (*Sandbox).reportConversations),

		read("GET /accounts", accountRead, (*Sandbox).listAccounts),
		write("POST /accounts/create", accountWrite, (*Sandbox).createAccount),
		write("PATCH /accounts/update", accountWrite, (*Sandbox).updateAccount),
		read("GET /accounts/{id}", accountRead, (*Sandbox).getAccount),
		write("DELETE /accounts/{id}", accountWrite, (*Sandbox).deleteAccount),

		read("GET /playbooks/list", playbookRead, (*Sandbox).listPlaybooks),
		read("GET /playbooks/clp", playbookRead, (*Sandbox).listLandingPages),

		read("POST /gdpr/retrieve", gdprRead, (*Sandbox).retrievePerson),
		write("POST /gdpr/delete", gdprWrite, (*Sandbox).deletePerson),

		read("POST /oauth2/token", noToken, (*Sandbox).grantToken),
		read("POST /app/token_info", anyToken, (*Sandbox).describeToken),
		write("POST /app/uninstall", anyToken, (*Sandbox).uninstall),

		read("GET /scim/Users", anyToken, (*Sandbox).listSCIMUsers),
		write("POST /scim/Users", anyToken, (*Sandbox).createSCIMUser),
		write("PUT /scim/Users", anyToken, (*Sandbox).replaceSCIMUser),
		write("DELETE /scim/Users", anyToken, (*Sandbox).deleteSCIMUser),
		read("GET /scim/Users/{id}", anyToken, (*Sandbox).getSCIMUser),
		write("PUT /scim/Users/{id}", anyToken, (*Sandbox).replaceSCIMUser),
		write("DELETE /scim/Users/{id}", anyToken, (*Sandbox).deleteSCIMUser),
	}
}

// match finds the route of a request and what its path says. A slash at the end and /v1 in front do not matter, as with
// Drift. Where there is no route the zero one comes back, whose handler is nil.
func (s *Sandbox) match(method string, u *url.URL) (route, map[string]string) {
	path := strings.TrimSuffix(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	segments := strings.Split(path, "/")
	if len(segments) > 1 && segments[0] == "v1" {
		segments = segments[1:]
	}
	for _, rt := range s.routes {
		if rt.method != method || len(rt.segments) != len(segments) {
			continue
		}
		if vars, ok := rt.vars(segments); ok {
			return rt, vars
		}
	}
	return route{}, nil
}

// vars holds the segments of a path against the route.
func (rt route) vars(segments []string) (map[string]string, bool) {
	var vars map[string]string
	for i, want := range rt.segments {
		if !strings.HasPrefix(want, "{") {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		if vars == nil {
			vars = make(map[string]string, 2)
		}
		vars[strings.Trim(want, "{}")] = value
	}
	return vars, true
}

// checkQuery refuses what the routes of contacts do not know. All others ignore it.
func (rt route) checkQuery(query url.Values) error {
	if rt.segments[0] != "contacts" {
		return nil
	}
	for name := range query {
		if !slices.Contains(rt.params, name) {
			return contactRefusal(10, "query parameter %q is not known here", name)
		}
	}
	return nil
}

// index tells a person who opens the sandbox in a browser what it is.
//
// GET /
func (s *Sandbox) index(r *request) (answer, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "A sandbox of the Drift API: made-up data, kept in memory only.\n\nTry\n\n")
	fmt.Fprintf(&b, "  curl -H 'Authorization: Bearer sandbox' 'http://%s/conversations/list?limit=2'\n\n", r.host)
	fmt.Fprintf(&b, "Routes, and the scope that the token needs for each\n\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, rt := range s.routes {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", rt.method, rt.path, rt.scope)
	}
	table.Flush()
	return plainText(b.String())
}
