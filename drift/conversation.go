package drift

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Conversation is a chat of a contact with the organisation.
type Conversation struct {
	ID                ID                 `json:"id"` // never absent
	ContactID         ID                 `json:"contactId,omitzero"`
	InboxID           ID                 `json:"inboxId,omitzero"` // Drift has no endpoint for inboxes
	Status            ConversationStatus `json:"status,omitzero"`
	CreatedAt         Millis             `json:"createdAt,omitzero"`
	UpdatedAt         Millis             `json:"updatedAt,omitzero"`
	Participants      []ID               `json:"participants,omitzero"`      // users, bots among them; some may no longer exist. Absent in lists
	Tags              []Tag              `json:"conversationTags,omitzero"`  // absent in lists
	RelatedPlaybookID ID                 `json:"relatedPlaybookId,omitzero"` // the playbook that began it; 0 if none. Absent in lists
}

// Ref returns the conversation's name among all records of the organisation,
// such as "Conversation:4512203877".
func (c *Conversation) Ref() string { return "Conversation:" + c.ID.String() }

// URL returns the conversation's page in Drift's app.
func (c *Conversation) URL() string { return "https://app.drift.com/conversations/" + c.ID.String() }

func (c *Conversation) present() bool { return c != nil && c.ID != 0 }

// A Tag is a label on a conversation.
type Tag struct {
	Name  string `json:"name"`
	Color string `json:"color,omitzero"` // six hexadecimal digits without #
}

// ConversationStatus says how far a conversation is. It is blank if unknown;
// values that are not listed here may occur.
type ConversationStatus string

// The states of conversations that are documented.
const (
	ConversationOpen     ConversationStatus = "open"
	ConversationClosed   ConversationStatus = "closed"
	ConversationPending  ConversationStatus = "pending"
	ConversationBulkSent ConversationStatus = "bulk_sent" // an email to many, not answered yet
)

// UnmarshalJSONFrom reads a status in any case.
func (s *ConversationStatus) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readEnum(dec, s, ConversationOpen, ConversationClosed, ConversationPending, ConversationBulkSent)
}

// filterable are the states that a list can be asked for. Drift knows them by
// their places here, counted from 1.
var filterable = []ConversationStatus{ConversationOpen, ConversationClosed, ConversationPending}

// Conversation returns the conversation of that id, or an [ErrNotFound].
//
// GET /conversations/{id}
// https://devdocs.drift.com/docs/retrieve-a-conversation
func (c *Client) Conversation(ctx context.Context, id ID) (*Conversation, error) {
	return fetch(ctx, c, call{route: "/conversations/{id}", id: id.String(), keys: 1}, one[Conversation])
}

// MaxConversations is how many conversations a page holds at most.
const MaxConversations = 100

// A ConversationQuery asks for a page of conversations.
type ConversationQuery struct {
	Statuses []ConversationStatus // open, closed or pending ones; nil for all
	Limit    int                  // conversations in a page, at most [MaxConversations]; 0 for Drift's default of 25
	Page     string               // Next of the page before, which remembers the rest of its query; blank for the first page
}

// A ConversationPage is a part of the list of conversations.
type ConversationPage struct {
	Conversations []*Conversation
	Next          string // Page of the query for the next page; blank if this is the last
}

// cursorPage marks a page of Drift's older paging, which went by the id of a
// conversation. Such a page remembers nothing of its query.
const cursorPage = "next:"

// Conversations returns a page of conversations, the last updated first. A
// conversation in a list has no participants, tags and playbook;
// [Client.Conversation] has them.
//
// GET /conversations/list
// https://devdocs.drift.com/docs/list-conversations
func (c *Client) Conversations(ctx context.Context, q ConversationQuery) (*ConversationPage, error) {
	const route = "/conversations/list"
	query := url.Values{}
	cursor, older := strings.CutPrefix(q.Page, cursorPage)
	if q.Page != "" && !older {
		query.Set("page_token", q.Page)
	} else {
		if older {
			query.Set("next", cursor)
		}
		if q.Limit > 0 {
			query.Set("limit", strconv.Itoa(min(q.Limit, MaxConversations)))
		}
		for _, status := range q.Statuses {
			place := slices.Index(filterable, status)
			if place < 0 {
				return nil, &Error{Method: http.MethodGet, Route: route, Err: fmt.Errorf("%w: conversations are listed by the states %v only", ErrRefused, filterable)}
			}
			query.Add("statusId", strconv.Itoa(place+1))
		}
	}
	return fetch(ctx, c, call{route: route, query: query}, func(a answer) (*ConversationPage, error) {
		var found struct {
			Data  rows[*Conversation] `json:"data"`
			Links struct {
				Next *string `json:"next"`
			} `json:"links"`
			Pagination pagination `json:"pagination"`
		}
		if err := json.Unmarshal(a.body, &found, lenient); err != nil {
			return nil, err
		}
		if found.Data == nil {
			return nil, errNoData
		}
		page := &ConversationPage{Conversations: found.Data}
		if link := found.Links.Next; link != nil {
			// The link names another host. It is not followed, only read.
			next, err := url.Parse(*link)
			if err != nil {
				return nil, errLink
			}
			page.Next = next.Query().Get("page_token")
		} else if next := found.Pagination.next(); next != "" {
			page.Next = cursorPage + next
		}
		return page, onward(page.Next, q.Page)
	})
}

// ConversationStats counts the organisation's conversations by their states.
type ConversationStats struct {
	Open    int `json:"OPEN,case:ignore"`
	Closed  int `json:"CLOSED,case:ignore"`
	Pending int `json:"PENDING,case:ignore"`
}

// ConversationStats returns how many conversations there are now.
//
// GET /conversations/stats
// https://devdocs.drift.com/docs/bulk-conversation-statuses
func (c *Client) ConversationStats(ctx context.Context) (*ConversationStats, error) {
	return fetch(ctx, c, call{route: "/conversations/stats"}, func(a answer) (*ConversationStats, error) {
		var found struct {
			Count *ConversationStats `json:"conversationCount"`
		}
		if err := json.Unmarshal(a.body, &found, lenient); err != nil {
			return nil, err
		}
		if found.Count == nil {
			return nil, errNoData
		}
		return found.Count, nil
	})
}

// A NewConversation is a conversation to be started with a contact.
type NewConversation struct {
	Email             string // of the contact, who is made if nobody has it; of several the first made is taken. Required
	Body              string // of the first message; required
	IntegrationSource string // what the conversation comes from, such as the name of an app; blank if that is not to be noted
	AutoAssigneeID    ID     // the user to whom it is assigned; 0 leaves that to Drift
}

// MarshalJSONTo writes the conversation as Drift reads it.
func (n *NewConversation) MarshalJSONTo(enc *jsontext.Encoder) error {
	var wire struct {
		Email   string `json:"email"`
		Message struct {
			Body       string `json:"body"`
			Attributes struct {
				IntegrationSource string `json:"integrationSource,omitzero"`
				AutoAssigneeID    ID     `json:"autoAssigneeId,omitzero"`
			} `json:"attributes,omitzero"`
		} `json:"message"`
	}
	wire.Email, wire.Message.Body = n.Email, n.Body
	wire.Message.Attributes.IntegrationSource = n.IntegrationSource
	wire.Message.Attributes.AutoAssigneeID = n.AutoAssigneeID
	return json.MarshalEncode(enc, &wire)
}

// StartConversation starts a conversation and returns it.
//
// POST /conversations/new
// https://devdocs.drift.com/docs/creating-a-conversation
func (c *Client) StartConversation(ctx context.Context, conversation NewConversation) (*Conversation, error) {
	post := call{
		method: http.MethodPost,
		route:  "/conversations/new",
		body:   func(string) any { return &conversation },
	}
	return fetch(ctx, c, post, written[Conversation])
}
