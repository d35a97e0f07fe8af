package sandbox

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
)

// A conversation is as GET /conversations/{id} shows it.
type conversation struct {
	conversationRow
	Participants      []int64 `json:"participants,omitzero"` // users, bots among them; nil is left out, empty is not
	RelatedPlaybookID int64   `json:"relatedPlaybookId,omitzero"`
	Tags              []tag   `json:"conversationTags,omitempty"`

	messages []*message // the oldest first
	closedAt int64      // when it was first closed, or 0
}

// A conversationRow is what a list shows of a conversation.
type conversationRow struct {
	Status    string `json:"status"`
	ContactID int64  `json:"contactId"`
	CreatedAt int64  `json:"createdAt"`
	ID        int64  `json:"id"`
	InboxID   int64  `json:"inboxId"`
	UpdatedAt int64  `json:"updatedAt,omitzero"`
}

// conversationOf finds the conversation of the path.
func (s *Sandbox) conversationOf(r *request) (*conversation, error) {
	id, _ := r.id()
	c := s.org.conversations[id]
	if c == nil {
		return nil, notFound("conversation %s does not exist", r.vars["id"])
	}
	return c, nil
}

// getConversation answers GET /conversations/{id}.
func (s *Sandbox) getConversation(r *request) (answer, error) {
	c, err := s.conversationOf(r)
	if err != nil {
		return answer{}, err
	}
	return data(c)
}

// statusIDs are the numbers by which lists are filtered. There is none for conversations of a bulk email.
var statusIDs = map[string]string{"1": "open", "2": "closed", "3": "pending"}

// A listing is a list of conversations and a place in it. As a token it remembers what was asked first.
type listing struct {
	Limit    int      `json:"l"`
	Statuses []string `json:"s"`
	Before   int64    `json:"b"` // only what was updated before that, unless it is 0
}

// link writes the listing into a URL.
func (l listing) link() (string, error) {
	token, err := json.Marshal(l)
	query := url.Values{"page_token": {base64.RawURLEncoding.EncodeToString(token)}}
	return "https://api.drift.com/conversations/list?" + query.Encode(), err
}

// parseListing reads a token.
func parseListing(token string) (listing, error) {
	var l listing
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil || l.Limit < 1 {
		return listing{}, invalid("page_token is not one that was handed out")
	}
	return l, nil
}

// rows returns the page at the listing's place, the latest first, and where the next page starts, or 0.
func (o *org) rows(l listing) (rows []conversationRow, next int64) {
	end := len(o.byUpdate)
	if l.Before != 0 {
		end, _ = slices.BinarySearchFunc(o.byUpdate, l.Before, func(c *conversation, t int64) int { return cmp.Compare(c.UpdatedAt, t) })
	}
	rows = make([]conversationRow, 0, min(l.Limit, end))
	for _, c := range slices.Backward(o.byUpdate[:end]) {
		if len(l.Statuses) > 0 && !slices.Contains(l.Statuses, c.Status) {
			continue
		}
		if len(rows) == l.Limit {
			return rows, rows[len(rows)-1].UpdatedAt
		}
		rows = append(rows, c.conversationRow)
	}
	return rows, 0
}

// listConversations answers one page. A token of an earlier page wins over whatever else is asked. With the parameter next,
// be it empty, it does as an older version of the API did.
//
// GET /conversations/list
func (s *Sandbox) listConversations(r *request) (answer, error) {
	legacy := r.has("next")
	if token := r.get("page_token"); token != "" {
		l, err := parseListing(token)
		if err != nil {
			return answer{}, err
		}
		return s.conversationPage(l)
	}
	most := 100
	if legacy {
		most = 50
	}
	limit, err := s.pageSize(r, "limit", 25, most)
	if err != nil {
		return answer{}, err
	}
	l := listing{Limit: limit}
	for _, id := range r.query["statusId"] {
		status, ok := statusIDs[id]
		if !ok {
			return answer{}, invalid("statusId must be 1, 2 or 3")
		}
		l.Statuses = append(l.Statuses, status)
	}
	if !legacy {
		return s.conversationPage(l)
	}
	if next := r.get("next"); next != "" {
		if l.Before, err = strconv.ParseInt(next, 10, 64); err != nil {
			return answer{}, invalid("next is not a number")
		}
	}
	return s.legacyConversationPage(l)
}

// conversationPage links to the next page, on the host that Drift documents for it.
func (s *Sandbox) conversationPage(l listing) (answer, error) {
	var out struct {
		Data  []conversationRow `json:"data"`
		Links struct {
			Self string `json:"self"`
			Next string `json:"next,omitzero"`
		} `json:"links"`
	}
	var next int64
	var err error
	if out.Links.Self, err = l.link(); err != nil {
		return answer{}, err
	}
	if out.Data, next = s.org.rows(l); next != 0 {
		l.Before = next
		if out.Links.Next, err = l.link(); err != nil {
			return answer{}, err
		}
	}
	return bare(out)
}

// A cursor says whether a list goes on, and where.
type cursor struct {
	More bool   `json:"more"`
	Next string `json:"next,omitzero"`
}

// legacyConversationPage leaves the cursor out at the end of the list.
func (s *Sandbox) legacyConversationPage(l listing) (answer, error) {
	var out struct {
		Data       []conversationRow `json:"data"`
		Pagination *cursor           `json:"pagination,omitzero"`
	}
	var next int64
	if out.Data, next = s.org.rows(l); next != 0 {
		out.Pagination = &cursor{true, strconv.FormatInt(next, 10)}
	}
	return bare(out)
}

// countConversations counts by status. Those of a bulk email are left out.
//
// GET /conversations/stats
func (s *Sandbox) countConversations(*request) (answer, error) {
	var out struct {
		Count struct {
			Closed  int `json:"CLOSED"`
			Open    int `json:"OPEN"`
			Pending int `json:"PENDING"`
		} `json:"conversationCount"`
	}
	for _, c := range s.org.byUpdate {
		switch c.Status {
		case "closed":
			out.Count.Closed++
		case "open":
			out.Count.Open++
		case "pending":
			out.Count.Pending++
		}
	}
	return bare(out)
}

// defaultInbox is where conversations land.
const defaultInbox = 91022

// createConversation starts a conversation with the first contact of an email, or with a new one. Its first message is from
// the contact. The answer has no envelope.
//
// POST /conversations/new
func (s *Sandbox) createConversation(r *request) (answer, error) {
	var in struct {
		Email   string `json:"email"`
		Message struct {
			Body       string `json:"body"`
			Attributes struct {
				IntegrationSource string `json:"integrationSource"`
				AutoAssigneeID    int64  `json:"autoAssigneeId"`
			} `json:"attributes"`
		} `json:"message"`
	}
	if err := r.decode(&in); err != nil {
		return answer{}, err
	}
	assignee := in.Message.Attributes.AutoAssigneeID
	switch {
	case in.Email == "":
		return answer{}, invalid("email is missing")
	case in.Message.Body == "":
		return answer{}, invalid("message.body is missing")
	case assignee != 0 && s.org.user(assignee) == nil:
		return answer{}, notFound("user %d does not exist", assignee)
	}
	var from *contact
	if known := s.org.byEmail[in.Email]; len(known) > 0 {
		from = known[0]
	} else {
		from = s.org.addContact(map[string]any{"email": in.Email})
		s.emitIdentified(from)
	}
	m := &message{Type: "chat", Body: in.Message.Body, Author: author{ID: from.ID, Type: "contact"}}
	m.Attributes.IntegrationSource, m.Attributes.AutoAssigneeID = in.Message.Attributes.IntegrationSource, assignee
	c := s.org.startConversation(from, m)
	s.emit(c.ID, form{"new_conversation", c})
	if assignee != 0 {
		c.Participants = append(c.Participants, assignee)
		s.emitParticipants(c, []int64{assignee}, nil, c.CreatedAt)
	}
	s.emitMessage(m)

	created := *c
	created.UpdatedAt = 0 // the answer does not have it
	return bare(created)
}

// startConversation makes a conversation of a contact's first message.
func (o *org) startConversation(from *contact, m *message) *conversation {
	c := &conversation{Participants: []int64{}}
	c.ID, c.ContactID, c.Status, c.InboxID = o.nextConversation, from.ID, "open", defaultInbox
	o.nextConversation++
	o.conversations[c.ID] = c
	o.addMessage(c, m)
	c.CreatedAt = m.CreatedAt
	return c
}

// setStatus changes the status of a conversation.
func (s *Sandbox) setStatus(c *conversation, status string) {
	c.Status = status
	s.org.touch(c)
	if status == "closed" && c.closedAt == 0 {
		c.closedAt = c.UpdatedAt
	}
	s.emitStatus(c)
}
