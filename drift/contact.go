package drift

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Contact is a person who visited a site with Drift on it and left an email,
// or whom the organisation entered. Several contacts may share an email.
//
// All but ID and CreatedAt is read out of Attributes, and a contact is written
// to JSON from these three alone: the other fields are not written back.
type Contact struct {
	ID               ID             // never absent
	CreatedAt        Millis         // when Drift first saw the person
	Email            *string        // nil if unset
	Name             *string        // the name shown, else first and last name; nil if unset
	Phone            *string        // nil if unset
	ExternalID       *string        // the organisation's own id of the person; nil if unset
	AvatarURL        *string        // nil if unset
	LastActiveAt     Millis         // 0 if unknown
	LastContactedAt  Millis         // 0 if never
	EmploymentDomain string         // internet domain of the employer; blank if unknown
	Attributes       jsontext.Value // all attributes, Drift's and custom ones: the object as Drift sent it, {} if none
}

// Ref returns the contact's name among all records of the organisation, such
// as "Contact:17035536800".
func (c *Contact) Ref() string { return "Contact:" + c.ID.String() }

// URL returns the contact's page in Drift's app. The reference shows such pages
// of conversations only; this one is formed alike.
func (c *Contact) URL() string { return "https://app.drift.com/contacts/" + c.ID.String() }

func (c *Contact) present() bool { return c != nil && c.ID != 0 }

// contactJSON is a contact on the wire.
type contactJSON struct {
	ID         ID             `json:"id"`
	CreatedAt  Millis         `json:"createdAt,omitzero"`
	Attributes jsontext.Value `json:"attributes"`
}

// MarshalJSONTo writes ID, CreatedAt and Attributes.
func (c *Contact) MarshalJSONTo(enc *jsontext.Encoder) error {
	wire := contactJSON{c.ID, c.CreatedAt, c.Attributes}
	if wire.Attributes == nil {
		wire.Attributes = jsontext.Value("{}")
	}
	return json.MarshalEncode(enc, &wire)
}

// UnmarshalJSONFrom reads a contact as Drift writes it.
func (c *Contact) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var wire contactJSON
	if err := json.UnmarshalDecode(dec, &wire); err != nil {
		return err
	}
	if err := tidy(dec, &wire.Attributes); err != nil {
		return err
	}
	*c = Contact{ID: wire.ID, CreatedAt: wire.CreatedAt, Attributes: wire.Attributes}
	if c.Attributes == nil {
		c.Attributes = jsontext.Value("{}")
	}
	return c.readAttributes()
}

// readAttributes sets the fields that stand in the attributes. An attribute of
// an unexpected type counts as unset.
func (c *Contact) readAttributes() error {
	type profiles struct {
		Employment struct {
			Domain text `json:"domain"`
		} `json:"employment"`
	}
	var attributes struct {
		Email            text            `json:"email"`
		Name             text            `json:"name"`
		DisplayName      text            `json:"display_name"`
		FirstName        text            `json:"first_name"`
		LastName         text            `json:"last_name"`
		Phone            text            `json:"phone"`
		ExternalID       text            `json:"externalId"`
		ExternalIDSnake  text            `json:"external_id"`
		AvatarURL        text            `json:"avatarUrl"`
		LastActive       loose[Millis]   `json:"last_active"`
		LastContacted    loose[Millis]   `json:"last_contacted"`
		EmploymentDomain text            `json:"employment_domain"`
		SocialProfiles   loose[profiles] `json:"socialProfiles"`
	}
	if err := json.Unmarshal(c.Attributes, &attributes, lenient); err != nil {
		return errors.New("the attributes are not an object")
	}
	a := &attributes
	c.Email = a.Email.pointer()
	c.Name = cmp.Or(a.Name, a.DisplayName, text(strings.TrimSpace(string(a.FirstName+" "+a.LastName)))).pointer()
	c.Phone = a.Phone.pointer()
	c.ExternalID = cmp.Or(a.ExternalID, a.ExternalIDSnake).pointer()
	c.AvatarURL = a.AvatarURL.pointer()
	c.LastActiveAt = a.LastActive.V
	c.LastContactedAt = a.LastContacted.V
	c.EmploymentDomain = string(cmp.Or(a.EmploymentDomain, a.SocialProfiles.V.Employment.Domain))
	return nil
}

// Contact returns the contact of that id, or an [ErrNotFound]. A contact that
// was deleted may still be found here.
//
// GET /contacts/{id}
// https://devdocs.drift.com/docs/retrieving-contact
func (c *Client) Contact(ctx context.Context, id ID) (*Contact, error) {
	return fetch(ctx, c, call{route: "/contacts/{id}", id: id.String(), keys: 1}, one[Contact])
}

// A ContactQuery asks for a page of the contacts that have an email.
type ContactQuery struct {
	Email string // of the contacts; required
	Limit int    // contacts in a page, 0 for Drift's choice; 100 is known to work
	Page  string // Next of the page before; blank for the first page
}

// A ContactPage is a part of a list of contacts.
type ContactPage struct {
	Contacts []*Contact
	Next     string // Page of the query for the next page; blank if this is the last
}

// ContactsByEmail returns a page of the contacts that have the email. The page
// is empty if nobody has it.
//
// GET /contacts?email=
// https://devdocs.drift.com/docs/retrieving-contact
func (c *Client) ContactsByEmail(ctx context.Context, q ContactQuery) (*ContactPage, error) {
	const route = "/contacts"
	// The page says where to go on. Whom to look for is not its business: it
	// comes back to us through the hands of a client.
	query, err := url.ParseQuery(q.Page)
	if err != nil {
		return nil, errPage(http.MethodGet, route)
	}
	query.Del("id")
	query.Del("idType")
	query.Set("email", q.Email)
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	return fetch(ctx, c, call{route: route, query: query}, func(a answer) (*ContactPage, error) {
		contacts, err := many[Contact](a)
		if err != nil {
			return nil, err
		}
		next := linkQuery(a.header, "next")
		next.Del("email")
		page := &ContactPage{Contacts: contacts, Next: next.Encode()}
		return page, onward(page.Next, q.Page)
	})
}

// MaxExternalIDs is how many external ids one call may ask for. Drift states no
// limit; this is the one that it has for ids of users.
const MaxExternalIDs = 20

// ContactsByExternalID returns the contacts that have one of the external ids,
// at most [MaxExternalIDs] of them, in no particular order: [Contact.ExternalID]
// tells which is which. What nobody has is left out. It makes one call, and none
// if there are no ids.
//
// GET /contacts?idType=external&id=
// https://devdocs.drift.com/docs/retrieving-contact
func (c *Client) ContactsByExternalID(ctx context.Context, ids []string) ([]*Contact, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	const route = "/contacts"
	if len(ids) > MaxExternalIDs {
		return nil, errKeys(http.MethodGet, route, len(ids), MaxExternalIDs)
	}
	query := url.Values{"idType": {"external"}, "id": ids}
	return fetch(ctx, c, call{route: route, query: query, keys: len(ids)}, many[Contact])
}

// A ContactAttribute defines an attribute that contacts may have.
type ContactAttribute struct {
	Name        string               `json:"name"`        // its key in [Contact.Attributes]
	DisplayName string               `json:"displayName"` // what people read
	Type        ContactAttributeType `json:"type"`
}

func (a *ContactAttribute) present() bool { return a != nil && a.Name != "" }

// ContactAttributeType is the type of an attribute's values. Values that are
// not listed here may occur.
type ContactAttributeType string

// The types of attributes that are documented.
const (
	AttributeString   ContactAttributeType = "STRING"
	AttributeNumeric  ContactAttributeType = "NUMERIC"
	AttributeBoolean  ContactAttributeType = "BOOLEAN"
	AttributeDateTime ContactAttributeType = "DATETIME"
	AttributeDate     ContactAttributeType = "DATE"
)

// UnmarshalJSONFrom reads a type in any case.
func (t *ContactAttributeType) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readEnum(dec, t, AttributeString, AttributeNumeric, AttributeBoolean, AttributeDateTime, AttributeDate)
}

// ContactAttributes returns the definitions of all attributes of contacts.
//
// GET /contacts/attributes
// https://devdocs.drift.com/docs/listing-custom-attributes
func (c *Client) ContactAttributes(ctx context.Context) ([]*ContactAttribute, error) {
	return fetch(ctx, c, call{route: "/contacts/attributes"}, func(a answer) ([]*ContactAttribute, error) {
		found, err := unwrap[struct {
			Properties rows[*ContactAttribute] `json:"properties"`
		}](a.body)
		if err != nil {
			return nil, err
		}
		if found.Properties == nil {
			return nil, errNoData
		}
		return found.Properties, nil
	})
}

// A NewContact is a contact to be made.
type NewContact struct {
	Email      string         // required; no other contact may have it, unless ExternalID is given
	ExternalID string         // the organisation's own id of the person, which no other contact may have; blank for none
	Attributes jsontext.Value // an object of what else is known, Drift's and custom attributes, none of them null; nil for nothing
}

// MarshalJSONTo writes the contact as its attributes. An email or external id
// among Attributes counts only if its own field is blank.
func (n *NewContact) MarshalJSONTo(enc *jsontext.Encoder) error {
	var more map[string]jsontext.Value
	if len(n.Attributes) > 0 {
		if err := json.Unmarshal(n.Attributes, &more); err != nil {
			return err
		}
	}
	attributes := make(map[string]any, len(more)+2)
	for name, value := range more {
		attributes[name] = value
	}
	if n.Email != "" {
		attributes["email"] = n.Email
	}
	if n.ExternalID != "" {
		delete(attributes, "external_id")
		attributes["externalId"] = n.ExternalID
	}
	return json.MarshalEncode(enc, map[string]any{"attributes": attributes}, json.Deterministic(true))
}

// CreateContact makes a contact. If there is one already, it fails by an
// [ErrRefused] with status 409 or the code CONTACT-6.
//
// POST /contacts
// https://devdocs.drift.com/docs/creating-a-contact
func (c *Client) CreateContact(ctx context.Context, contact NewContact) (*Contact, error) {
	post := call{
		method: http.MethodPost,
		route:  "/contacts",
		body:   func(string) any { return &contact },
	}
	return fetch(ctx, c, post, written[Contact])
}

// UpdateContact sets the attributes, an object, of the contact of that id, and
// leaves those alone that are not in it. It returns the contact, or an
// [ErrNotFound]. There is no documented way to take an attribute away; null is
// sent, but Drift asks for values that are not null.
//
// PATCH /contacts/{id}
// https://devdocs.drift.com/docs/updating-a-contact
func (c *Client) UpdateContact(ctx context.Context, id ID, attributes jsontext.Value) (*Contact, error) {
	patch := call{
		method: http.MethodPatch,
		route:  "/contacts/{id}",
		id:     id.String(),
		body:   attributesBody(attributes),
		keys:   1,
	}
	return fetch(ctx, c, patch, one[Contact])
}

// UpdateContactByExternalID does what [Client.UpdateContact] does to the contact
// that has the external id.
//
// PATCH /contacts/normalize?idType=external&id=
// https://devdocs.drift.com/docs/updating-a-contact-via-non-drift-id
func (c *Client) UpdateContactByExternalID(ctx context.Context, externalID string, attributes jsontext.Value) (*Contact, error) {
	patch := call{
		method: http.MethodPatch,
		route:  "/contacts/normalize",
		query:  url.Values{"idType": {"external"}, "id": {externalID}},
		body:   attributesBody(attributes),
		keys:   1,
	}
	return fetch(ctx, c, patch, written[Contact])
}

// attributesBody returns the body that sets attributes of a contact.
func attributesBody(attributes jsontext.Value) func(string) any {
	return func(string) any { return map[string]jsontext.Value{"attributes": attributes} }
}

// DeleteContact takes the contact of that id out of all lists, or returns an
// [ErrNotFound]. [Client.Contact] may go on finding it.
//
// DELETE /contacts/{id}
// https://devdocs.drift.com/docs/removing-a-contact
func (c *Client) DeleteContact(ctx context.Context, id ID) error {
	return c.do(ctx, call{method: http.MethodDelete, route: "/contacts/{id}", id: id.String(), keys: 1}, acknowledged)
}

// UnsubscribeEmails has Drift send no more marketing mails to the addresses.
// Which of them have a contact it does not tell. It makes one call, and none if
// there are no addresses.
//
// POST /emails/unsubscribe
// https://devdocs.drift.com/docs/unsubscribe-contacts-from-emails
func (c *Client) UnsubscribeEmails(ctx context.Context, emails []string) error {
	if len(emails) == 0 {
		return nil
	}
	post := call{
		method: http.MethodPost,
		route:  "/emails/unsubscribe",
		body:   func(string) any { return emails },
		keys:   len(emails),
	}
	return c.do(ctx, post, acknowledged)
}
