package drift

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Message is a part of a conversation.
type Message struct {
	ID             ID              `json:"id"` // never absent
	OrgID          ID              `json:"orgId,omitzero"`
	ConversationID ID              `json:"conversationId,omitzero"` // never absent
	Type           MessageType     `json:"type,omitzero"`
	Body           *string         `json:"body,omitzero"` // simple HTML, plain text from visitors; nil if there is none
	Author         Author          `json:"author,omitzero"`
	CreatedAt      Millis          `json:"createdAt,omitzero"`
	Buttons        []Button        `json:"buttons,omitzero"` // that the contact may press
	Context        *MessageContext `json:"context,omitzero"` // where the contact wrote it; nil if unknown
	Attributes     jsontext.Value  `json:"attributes,omitzero"`
	Attachments    []Attachment    `json:"attachments,omitzero"`
}

// Ref returns the message's name among all records of the organisation, such
// as "Message:4512203877:618840021171": Drift finds a message only in its
// conversation.
func (m *Message) Ref() string { return "Message:" + m.ConversationID.String() + ":" + m.ID.String() }

// AuthorType returns which side the message came from.
func (m *Message) AuthorType() AuthorType { return m.Author.Type }

// FromBot reports whether a bot wrote the message.
func (m *Message) FromBot() bool { return m.Author.Bot }

func (m *Message) present() bool { return m != nil && m.ID != 0 }

// plainMessage is a message without its methods.
type plainMessage Message

// UnmarshalJSONFrom reads a message as Drift writes it. Sources disagree on
// whether attachments stand under "attachments" or "attachment".
func (m *Message) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var wire struct {
		plainMessage
		Attachment []Attachment `json:"attachment"`
	}
	if err := json.UnmarshalDecode(dec, &wire); err != nil {
		return err
	}
	if wire.Attachments == nil {
		wire.Attachments = wire.Attachment
	}
	*m = Message(wire.plainMessage)
	return tidy(dec, &m.Attributes)
}

// MessageType says who sees a message. Values that are not listed here may
// occur.
type MessageType string

// The types of messages that are documented; the last three are old.
const (
	MessageChat          MessageType = "chat"         // seen by both sides
	MessagePrivateNote   MessageType = "private_note" // seen by users only
	MessagePrivatePrompt MessageType = "private_prompt"
	MessageSuggestion    MessageType = "suggestion"
	MessageEdit          MessageType = "edit"
)

// UnmarshalJSONFrom reads a type in any case.
func (t *MessageType) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readEnum(dec, t, MessageChat, MessagePrivateNote, MessagePrivatePrompt, MessageSuggestion, MessageEdit)
}

// An Author is who wrote a message.
type Author struct {
	ID   ID         `json:"id"` // of a contact or a user, as Type says
	Type AuthorType `json:"type,omitzero"`
	Bot  bool       `json:"bot,omitzero"` // whether a bot wrote it
}

// AuthorType says what an author is. Values that are not listed here may occur.
type AuthorType string

// The types of authors that are documented.
const (
	AuthorContact AuthorType = "contact"
	AuthorUser    AuthorType = "user"
)

// UnmarshalJSONFrom reads a type in any case.
func (t *AuthorType) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readEnum(dec, t, AuthorContact, AuthorUser)
}

// A Button stands below a message for the contact to press.
type Button struct {
	Label    *string         `json:"label,omitzero"`    // what it says
	Value    *string         `json:"value,omitzero"`    // what is answered when it is pressed
	Type     *string         `json:"type,omitzero"`     // reply; in old messages also compose, action or noop
	Style    *string         `json:"style,omitzero"`    // primary or danger
	Reaction *ButtonReaction `json:"reaction,omitzero"` // nil if nothing becomes of the message
}

// A ButtonReaction is what becomes of a message when its button is pressed.
type ButtonReaction struct {
	Type    *string `json:"type,omitzero"`    // replace or delete
	Message *string `json:"message,omitzero"` // what it is replaced by
}

// A MessageContext is where a contact was when writing a message. Anything may
// be unknown, and is nil then.
type MessageContext struct {
	IP        *string   `json:"ip,omitzero"`
	UserAgent *string   `json:"userAgent,omitzero"`
	Href      *string   `json:"href,omitzero"`  // the page
	Title     *string   `json:"title,omitzero"` // of the page
	Referrer  *string   `json:"referrer,omitzero"`
	Locale    *string   `json:"locale,omitzero"`   // such as en-GB
	TimeZone  *string   `json:"timezone,omitzero"` // such as Europe/Stockholm
	Location  *Location `json:"location,omitzero"`
}

// A Location is a place on earth. Anything may be unknown, and is nil then.
type Location struct {
	City        *string  `json:"city,omitzero"`
	Region      *string  `json:"region,omitzero"`
	Country     *string  `json:"country,omitzero"` // two letters
	CountryName *string  `json:"countryName,omitzero"`
	PostalCode  *string  `json:"postalCode,omitzero"`
	Latitude    *float64 `json:"latitude,omitzero"`  // degrees north
	Longitude   *float64 `json:"longitude,omitzero"` // degrees east
}

// An Attachment is a file that came with a message.
type Attachment struct {
	ID       ID      `json:"id,omitzero"` // 0 if Drift gave neither it nor a URL that holds it
	FileName *string `json:"fileName,omitzero"`
	MimeType *string `json:"mimeType,omitzero"`
	URL      *string `json:"url,omitzero"` // takes the same token as the API
}

// plainAttachment is an attachment without its methods.
type plainAttachment Attachment

// UnmarshalJSONFrom reads an attachment. If it has no id, its URL is searched
// for one: /attachments/{id}/data.
func (a *Attachment) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*a = Attachment{}
	if err := json.UnmarshalDecode(dec, (*plainAttachment)(a)); err != nil {
		return err
	}
	if a.ID == 0 && a.URL != nil {
		_, rest, _ := strings.Cut(*a.URL, "/attachments/")
		digits, _, _ := strings.Cut(rest, "/data")
		a.ID, _ = ParseID(digits)
	}
	return nil
}

// MaxMessages is how many messages a page holds.
const MaxMessages = 50

// A MessagePage is a part of a conversation.
type MessagePage struct {
	Messages []*Message
	Next     string // names the next page; blank if this is the last
}

// Messages returns a page of the messages of a conversation, the oldest first,
// or an [ErrNotFound] if there is no such conversation. The first page is named
// by a blank string, the others by the page before. A page holds [MaxMessages].
//
// GET /conversations/{id}/messages
// https://devdocs.drift.com/docs/retrieve-a-conversations-messages
func (c *Client) Messages(ctx context.Context, conversation ID, page string) (*MessagePage, error) {
	query := url.Values{}
	if page != "" {
		query.Set("next", page)
	}
	get := call{route: "/conversations/{id}/messages", id: conversation.String(), query: query, keys: 1}
	return fetch(ctx, c, get, func(a answer) (*MessagePage, error) {
		var found struct {
			Data struct {
				Messages rows[*Message] `json:"messages"`
			} `json:"data"`
			Pagination pagination `json:"pagination"`
		}
		if err := json.Unmarshal(a.body, &found, lenient); err != nil {
			return nil, err
		}
		if found.Data.Messages == nil {
			return nil, errNoData
		}
		for _, m := range found.Data.Messages {
			if m.ConversationID == 0 {
				m.ConversationID = conversation
			}
			if m.ConversationID != conversation {
				return nil, errOtherRecord
			}
		}
		next := found.Pagination.next()
		return &MessagePage{found.Data.Messages, next}, onward(next, page)
	})
}

// Transcript returns a conversation as text for people to read, a line for each
// message, or an [ErrNotFound] if there is no such conversation.
//
// GET /conversations/{id}/transcript
// https://devdocs.drift.com/docs/retrieving-a-conversations-transcript
func (c *Client) Transcript(ctx context.Context, conversation ID) (string, error) {
	get := call{route: "/conversations/{id}/transcript", id: conversation.String(), keys: 1}
	return fetch(ctx, c, get, func(a answer) (string, error) {
		// The documentation shows {"data": "…"}, Drift's own exporter takes the
		// body for the text, whatever its type says.
		if body := jsontext.Value(a.body); body.IsValid(lenient) {
			found, err := unwrap[string](body)
			if err != nil {
				return "", err
			}
			return *found, nil
		}
		kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
		if kind == "text/html" || bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<")) {
			return "", errors.New("HTML instead of text")
		}
		return strings.ToValidUTF8(string(a.body), "\uFFFD"), nil
	})
}

// A NewMessage is a message to be sent.
type NewMessage struct {
	Type     MessageType `json:"type"` // blank for a chat; a private note is the other one that is documented
	Body     string      `json:"body,omitzero"`
	AuthorID ID          `json:"userId,omitzero"`  // the user who says it; 0 for the organisation's bot
	Buttons  []Button    `json:"buttons,omitzero"` // that the contact may press; a chat with buttons is seen by the contact only
}

// SendMessage adds a message to a conversation and returns it, or an
// [ErrNotFound] if there is no such conversation or author.
//
// POST /conversations/{id}/messages
// https://devdocs.drift.com/docs/creating-a-message
func (c *Client) SendMessage(ctx context.Context, conversation ID, message NewMessage) (*Message, error) {
	message.Type = cmp.Or(message.Type, MessageChat)
	post := call{
		method: http.MethodPost,
		route:  "/conversations/{id}/messages",
		id:     conversation.String(),
		body:   func(string) any { return &message },
		keys:   1,
	}
	return fetch(ctx, c, post, func(a answer) (*Message, error) {
		sent, err := sentMessage(a)
		if err != nil {
			return nil, err
		}
		if sent.ConversationID == 0 {
			sent.ConversationID = conversation
		}
		if sent.ConversationID != conversation {
			return nil, errOtherRecord
		}
		return sent, nil
	})
}

// sentMessage reads the answer to a message. The documentation says that it is
// the message, and shows a list of messages: of one that holds others too, ours
// is the last made.
func sentMessage(a answer) (*Message, error) {
	list, err := unwrap[struct {
		Messages rows[*Message] `json:"messages"`
	}](a.body)
	if err != nil {
		return nil, err
	}
	if len(list.Messages) == 0 {
		return written[Message](a)
	}
	return slices.MaxFunc(list.Messages, func(m, n *Message) int {
		return cmp.Or(cmp.Compare(m.CreatedAt, n.CreatedAt), cmp.Compare(m.ID, n.ID))
	}), nil
}
