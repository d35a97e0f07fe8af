package sandbox

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A message is one line of a conversation. What is not set is left out.
type message struct {
	ID              int64             `json:"id"`
	OrgID           int64             `json:"orgId,omitzero"`
	ConversationID  int64             `json:"conversationId"`
	Body            string            `json:"body,omitzero"` // simple HTML from agents, plain text from contacts
	Author          author            `json:"author"`
	Type            string            `json:"type"`
	CreatedAt       int64             `json:"createdAt"`
	Buttons         []button          `json:"buttons,omitempty"`
	Context         *visit            `json:"context,omitzero"`
	Attachments     []*attachment     `json:"attachments,omitempty"`
	Attributes      messageAttributes `json:"attributes"`
	EditedMessageID int64             `json:"editedMessageId,omitzero"`
	EditType        string            `json:"editType,omitzero"`
}

// An author is a contact or a user.
type author struct {
	ID   int64  `json:"id"`
	Type string `json:"type"` // "contact" or "user"
	Bot  bool   `json:"bot"`
}

// A button is one answer that a contact may click.
type button struct {
	Value    string    `json:"value"`
	Label    string    `json:"label"`
	Type     string    `json:"type,omitzero"`
	Style    string    `json:"style,omitzero"`
	Reaction *reaction `json:"reaction,omitzero"`
}

// A reaction is what a click does to the message.
type reaction struct {
	Type    string `json:"type"`
	Message string `json:"message,omitzero"`
}

// A visit is where a contact was when they wrote.
type visit struct {
	IP        string    `json:"ip"`
	UserAgent string    `json:"userAgent"`
	Href      string    `json:"href"`
	Title     string    `json:"title"`
	Referrer  string    `json:"referrer,omitzero"`
	Locale    string    `json:"locale"`
	TimeZone  string    `json:"timezone"`
	Location  *location `json:"location,omitzero"`
}

// A location is what an address in the net says of where somebody is.
type location struct {
	City        string  `json:"city"`
	Region      string  `json:"region"`
	Country     string  `json:"country"`
	CountryName string  `json:"countryName"`
	PostalCode  string  `json:"postalCode"`
	Latitude    float64 `json:"latitude"`
	Longitude   float64 `json:"longitude"`
}

// messageAttributes is an empty object for most messages.
type messageAttributes struct {
	PreMessages       []preMessage `json:"preMessages,omitempty"`
	DeveloperAppID    string       `json:"developer_app_id,omitzero"`
	IntegrationSource string       `json:"integrationSource,omitzero"`
	AutoAssigneeID    int64        `json:"autoAssigneeId,omitzero"`
}

// A preMessage is what a bot had said before the contact's first message.
type preMessage struct {
	Body   string `json:"body"`
	Sender struct {
		ID int64 `json:"id"`
	} `json:"sender"`
}

// messagesPerPage cannot be chosen.
const messagesPerPage = 50

// listMessages answers one page, the oldest message first. The cursor is the number of a page.
//
// GET /conversations/{id}/messages
func (s *Sandbox) listMessages(r *request) (answer, error) {
	c, err := s.conversationOf(r)
	if err != nil {
		return answer{}, err
	}
	page := 1
	if next := r.get("next"); next != "" {
		if page, err = strconv.Atoi(next); err != nil || page < 1 {
			return answer{}, invalid("next is not the number of a page")
		}
	}
	pages := slices.Collect(slices.Chunk(c.messages, messagesPerPage))
	var out struct {
		Data struct {
			Messages []*message `json:"messages"`
		} `json:"data"`
		Pagination cursor `json:"pagination"`
	}
	if page <= len(pages) {
		out.Data.Messages = pages[page-1]
	}
	if page < len(pages) {
		out.Pagination = cursor{true, strconv.Itoa(page + 1)}
	}
	return bare(out)
}

// messageTypes are those that can be posted; all but the first two are of older versions.
var messageTypes = []string{"chat", "private_note", "private_prompt", "suggestion", "edit"}

// createMessage adds a message from an agent, or from the bot if none is named.
//
// POST /conversations/{id}/messages
func (s *Sandbox) createMessage(r *request) (answer, error) {
	c, err := s.conversationOf(r)
	if err != nil {
		return answer{}, err
	}
	var in struct {
		Type            string   `json:"type"`
		Body            string   `json:"body"`
		Buttons         []button `json:"buttons"`
		UserID          int64    `json:"userId"`
		EditedMessageID int64    `json:"editedMessageId"`
		EditType        string   `json:"editType"`
	}
	if err := r.decode(&in); err != nil {
		return answer{}, err
	}
	from := s.org.bot()
	if in.UserID != 0 {
		from = s.org.user(in.UserID)
	}
	switch {
	case !slices.Contains(messageTypes, in.Type):
		return answer{}, invalid("type must be chat or private_note")
	case in.Body == "" && len(in.Buttons) == 0 && in.Type != "edit":
		return answer{}, invalid("body is missing")
	case slices.ContainsFunc(in.Buttons, func(b button) bool { return b.Label == "" }):
		return answer{}, invalid("a button has no label")
	case from == nil:
		return answer{}, notFound("user %d does not exist", in.UserID)
	}
	m := &message{
		OrgID: s.org.id, Type: in.Type, Body: in.Body, Buttons: in.Buttons, Author: author{from.ID, "user", from.Bot},
		EditedMessageID: in.EditedMessageID, EditType: in.EditType,
	}
	m.Attributes.DeveloperAppID = appID
	s.add(c, m)

	created := *m
	created.OrgID = 0 // the answer does not have it
	return data(created)
}

// add puts a message at the end of a conversation whose participant its author becomes, and announces it.
func (s *Sandbox) add(c *conversation, m *message) {
	s.org.addMessage(c, m)
	if m.Author.Type == "user" && !slices.Contains(c.Participants, m.Author.ID) {
		c.Participants = append(c.Participants, m.Author.ID)
		s.emitParticipants(c, []int64{m.Author.ID}, nil, m.CreatedAt)
	}
	s.emitMessage(m)
}

// addMessage puts a message at the end of a conversation, the conversation at the top of the list, and a note of when they last
// wrote or were written to on the contact.
func (o *org) addMessage(c *conversation, m *message) {
	o.touch(c)
	m.ID, m.ConversationID, m.CreatedAt = o.nextMessage, c.ID, c.UpdatedAt
	o.nextMessage++
	c.messages = append(c.messages, m)
	if with := o.contacts[c.ContactID]; with != nil && m.Type == "chat" {
		if m.Author.Type == "contact" {
			with.Attributes["last_active"] = m.CreatedAt
		} else if !m.Author.Bot {
			with.Attributes["last_contacted"] = m.CreatedAt
		}
	}
}

// touch says that a conversation changes now, which puts it at the top of the list.
func (o *org) touch(c *conversation) {
	if i := slices.Index(o.byUpdate, c); i >= 0 {
		o.byUpdate = slices.Delete(o.byUpdate, i, i+1)
	}
	c.UpdatedAt = o.tick()
	o.byUpdate = append(o.byUpdate, c)
}

// spoken returns the messages that both sides saw.
func (c *conversation) spoken() []*message {
	return slices.DeleteFunc(slices.Clone(c.messages), func(m *message) bool { return m.Type != "chat" })
}

// getTranscript answers text, a line for each message that both sides saw.
//
// GET /conversations/{id}/transcript
func (s *Sandbox) getTranscript(r *request) (answer, error) {
	c, err := s.conversationOf(r)
	if err != nil {
		return answer{}, err
	}
	var b strings.Builder
	for _, m := range c.spoken() {
		at := time.UnixMilli(m.CreatedAt).UTC().Format("Jan 2, 03:04:05 PM MST")
		fmt.Fprintf(&b, "%s %s: %s\n", at, s.org.authorName(m.Author), plain(m))
	}
	return plainText(b.String())
}

// authorName is how a transcript calls the author of a message.
func (o *org) authorName(a author) string {
	if a.Type == "contact" {
		if c := o.contacts[a.ID]; c != nil && c.text("name") != "" {
			return c.text("name")
		}
		return "site visitor"
	}
	u := o.user(a.ID)
	switch {
	case u == nil:
		return "null"
	case u.Bot:
		return u.Name + " (Agent)"
	}
	return u.Name
}

// markup matches a tag of HTML, and what separates lines.
var markup = regexp.MustCompile(`<[^>]*>|\s+`)

// plain is a message's body in one line, or the names of the files that it has instead.
func plain(m *message) string {
	if m.Body == "" {
		names := make([]string, len(m.Attachments))
		for i, a := range m.Attachments {
			names[i] = a.FileName
		}
		return strings.Join(names, ", ")
	}
	body := m.Body
	if m.Author.Type == "user" {
		body = html.UnescapeString(markup.ReplaceAllString(body, " "))
	}
	return strings.Join(strings.Fields(body), " ")
}

// getJSONTranscript answers what getTranscript does, as JSON.
//
// GET /conversations/{id}/json_transcript
func (s *Sandbox) getJSONTranscript(r *request) (answer, error) {
	c, err := s.conversationOf(r)
	if err != nil {
		return answer{}, err
	}
	type line struct {
		ID        int64  `json:"id"`
		Body      string `json:"body,omitzero"`
		Type      string `json:"type"`
		Author    author `json:"author"`
		CreatedAt int64  `json:"createdAt"`
	}
	var out struct {
		Messages []line `json:"messages"`
	}
	for _, m := range c.spoken() {
		out.Messages = append(out.Messages, line{m.ID, m.Body, m.Type, m.Author, m.CreatedAt})
	}
	return data(out)
}
