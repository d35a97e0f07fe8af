package sandbox

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A contact is a person who wrote, or whom somebody wrote to.
type contact struct {
	ID         int64          `json:"id"`
	CreatedAt  int64          `json:"createdAt"`
	Attributes map[string]any `json:"attributes"`

	deleted bool // gone from all searches, but not by id
}

// text returns an attribute if it is a string that is not empty, or a number as it is written.
func (c *contact) text(name string) string {
	switch v := c.Attributes[name].(type) {
	case string:
		return v
	case jsontext.Value:
		if v.Kind() == '0' {
			return v.String()
		}
		var s string
		if json.Unmarshal(v, &s) == nil {
			return s
		}
	}
	return ""
}

// touch counts up the revision, of which Drift sends three copies.
func (c *contact) touch(revision int) {
	for _, name := range []string{"_END_USER_VERSION", "_end_user_version", "_calculated_version"} {
		c.Attributes[name] = revision
	}
}

// revision is how often the contact was changed.
func (c *contact) revision() int {
	n, _ := c.Attributes["_end_user_version"].(int)
	return n
}

// An attributeDefinition is a custom attribute of contacts.
type attributeDefinition struct {
	Type        string `json:"type"`
	DisplayName string `json:"displayName"`
	Name        string `json:"name"`
}

// A tag is a word on a contact or a conversation. Its color is in hex, without "#".
type tag struct {
	Color string `json:"color"`
	Name  string `json:"name"`
}

// contactRefusal refuses with one of the codes that Drift documents for contacts. Where the code stands in the body is not
// documented; here it is the type.
func contactRefusal(code int, format string, args ...any) error {
	status := http.StatusBadRequest
	switch code {
	case 1:
		status = http.StatusNotFound
	case 6:
		status = http.StatusConflict
	}
	return refuse(status, fmt.Sprintf("CONTACT-%d", code), format, args...)
}

// index lets searches find a contact.
func (o *org) index(c *contact) {
	if email := c.text("email"); email != "" {
		list := append(o.byEmail[email], c)
		slices.SortStableFunc(list, func(a, b *contact) int { return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
		o.byEmail[email] = list
	}
	if id := c.text("externalId"); id != "" {
		o.byExternal[id] = c
	}
}

// unindex hides a contact from searches.
func (o *org) unindex(c *contact) {
	if email := c.text("email"); email != "" {
		o.byEmail[email] = slices.DeleteFunc(o.byEmail[email], func(other *contact) bool { return other == c })
	}
	if id := c.text("externalId"); o.byExternal[id] == c {
		delete(o.byExternal, id)
	}
}

// addContact makes a contact with what Drift puts into each.
func (o *org) addContact(attributes map[string]any) *contact {
	c := &contact{ID: o.nextContact, CreatedAt: o.tick(), Attributes: map[string]any{
		"socialProfiles": struct{}{},
		"externalId":     nil,
		"external_id":    nil,
		"events":         struct{}{},
		"tags":           []tag{},
	}}
	o.nextContact++
	maps.Copy(c.Attributes, attributes)
	c.Attributes["start_date"] = c.CreatedAt
	c.touch(4)
	o.contacts[c.ID] = c
	o.index(c)
	return c
}

// contact finds the contact of the path.
func (o *org) contact(r *request) (*contact, error) {
	id, _ := r.id()
	c := o.contacts[id]
	if c == nil {
		return nil, contactRefusal(1, "no visible contact with id %s", r.vars["id"])
	}
	return c, nil
}

// getContact answers GET /contacts/{id}.
func (s *Sandbox) getContact(r *request) (answer, error) {
	c, err := s.org.contact(r)
	if err != nil {
		return answer{}, err
	}
	return data(c)
}

// findContacts searches by email or by ids of another system. Which Drift does without either is unclear.
//
// GET /contacts
func (s *Sandbox) findContacts(r *request) (answer, error) {
	switch {
	case r.get("email") != "":
		return s.contactsByEmail(r)
	case r.get("idType") == "external":
		return s.contactsByID(r, func(id string) *contact { return s.org.byExternal[id] })
	case r.get("idType") == "drift" && s.cfg.ContactsByDriftID:
		return s.contactsByID(r, func(id string) *contact {
			n, _ := strconv.ParseInt(id, 10, 64)
			return s.org.contacts[n]
		})
	case r.get("idType") == "drift":
		return answer{}, contactRefusal(10, "idType drift is not known here")
	}
	return answer{}, contactRefusal(11, "a search needs an email, or idType external and id")
}

// contactsByEmail answers one page, the contact that was made first at its top. The page after it is in the header Link.
func (s *Sandbox) contactsByEmail(r *request) (answer, error) {
	limit, err := s.pageSize(r, "limit", 40, 100)
	if err != nil {
		return answer{}, err
	}
	email := r.get("email")
	all := s.org.byEmail[email]
	start := 0
	if token := r.get("page_token"); token != "" {
		start, err = strconv.Atoi(token)
		if err != nil || start < 0 {
			return answer{}, contactRefusal(11, "page_token is not one that was handed out")
		}
	}
	start = min(start, len(all))
	end := min(start+limit, len(all))
	a, err := data(all[start:end])
	if end < len(all) {
		next := url.Values{"email": {email}, "limit": {strconv.Itoa(limit)}, "page_token": {strconv.Itoa(end)}}
		a.header = map[string]string{"Link": fmt.Sprintf("<https://driftapi.com/contacts?%s>; rel='next'", next.Encode())}
	}
	return a, err
}

// contactsByID leaves out the ids that nobody has.
func (s *Sandbox) contactsByID(r *request, find func(id string) *contact) (answer, error) {
	ids := r.query["id"]
	if len(ids) == 0 || len(ids) > 100 {
		return answer{}, contactRefusal(11, "there must be 1 to 100 ids")
	}
	found := []*contact{}
	for _, id := range ids {
		if c := find(id); c != nil && !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	if s.cfg.Shuffle {
		s.dice.shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	}
	return data(found)
}

// readAttributes reads and checks the body of a create or an update. Both spellings of the external id come out of it.
func (s *Sandbox) readAttributes(r *request) (map[string]any, error) {
	var in struct {
		Attributes map[string]jsontext.Value `json:"attributes"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return nil, contactRefusal(4, "the body is not the JSON wanted here: %v", err)
	}
	if in.Attributes == nil {
		return nil, contactRefusal(8, "attributes object is missing")
	}
	attributes := make(map[string]any, len(in.Attributes))
	for name, value := range in.Attributes {
		kind := value.Kind()
		switch {
		case kind == 'n':
			return nil, contactRefusal(4, "attribute %q is null", name)
		case name == "email" && kind != '"':
			return nil, contactRefusal(4, "attribute email is not a string")
		case (name == "externalId" || name == "external_id") && kind != '"' && kind != '0':
			return nil, contactRefusal(4, "attribute %s is neither a string nor a number", name)
		case name == "tags":
			tags, err := s.org.readTags(value)
			if err != nil {
				return nil, err
			}
			attributes[name] = tags
			continue
		}
		if err := value.Compact(); err != nil {
			return nil, err
		}
		attributes[name] = value
	}
	if id, ok := attributes["externalId"]; ok {
		attributes["external_id"] = id
	} else if id, ok := attributes["external_id"]; ok {
		attributes["externalId"] = id
	}
	return attributes, nil
}

// readTags reads a list of tags, each of which the organisation must have.
func (o *org) readTags(body []byte) ([]tag, error) {
	var in []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, contactRefusal(9, "tags are not a list of objects with a name: %v", err)
	}
	tags := make([]tag, 0, len(in))
	for _, wanted := range in {
		i := slices.IndexFunc(o.tags, func(t tag) bool { return t.Name == wanted.Name })
		if i < 0 {
			return nil, contactRefusal(9, "there is no tag %q", wanted.Name)
		}
		tags = append(tags, o.tags[i])
	}
	return tags, nil
}

// createContact refuses a known email, unless a new external id tells the two contacts apart.
//
// POST /contacts
func (s *Sandbox) createContact(r *request) (answer, error) {
	attributes, err := s.readAttributes(r)
	if err != nil {
		return answer{}, err
	}
	wanted := &contact{Attributes: attributes}
	email, externalID := wanted.text("email"), wanted.text("externalId")
	switch {
	case email == "":
		return answer{}, contactRefusal(7, "attributes.email is missing")
	case externalID == "" && len(s.org.byEmail[email]) > 0, externalID != "" && s.org.byExternal[externalID] != nil:
		return answer{}, contactRefusal(6, "contact already present")
	}
	c := s.org.addContact(attributes)
	s.emitIdentified(c)
	return data(c)
}

// updateContact answers PATCH /contacts/{id}.
func (s *Sandbox) updateContact(r *request) (answer, error) {
	c, err := s.org.contact(r)
	if err != nil {
		return answer{}, err
	}
	return s.changeContact(c, r)
}

// normalizeContact answers PATCH /contacts/normalize.
func (s *Sandbox) normalizeContact(r *request) (answer, error) {
	var c *contact
	switch id := r.get("id"); r.get("idType") {
	case "external":
		c = s.org.byExternal[id]
	case "drift", "internal":
		n, _ := strconv.ParseInt(id, 10, 64)
		c = s.org.contacts[n]
	default:
		return answer{}, contactRefusal(11, "idType must be external, drift or internal")
	}
	if c == nil {
		return answer{}, contactRefusal(1, "no visible contact with that id")
	}
	return s.changeContact(c, r)
}

// changeContact merges attributes into a contact. There is no way to take one away.
func (s *Sandbox) changeContact(c *contact, r *request) (answer, error) {
	attributes, err := s.readAttributes(r)
	if err != nil {
		return answer{}, err
	}
	if id := (&contact{Attributes: attributes}).text("externalId"); id != "" {
		if other := s.org.byExternal[id]; other != nil && other != c {
			return answer{}, contactRefusal(6, "another contact has that externalId")
		}
	}
	revision, before := c.revision()+1, maps.Clone(c.Attributes)
	s.org.unindex(c)
	maps.Copy(c.Attributes, attributes)
	c.touch(revision)
	if !c.deleted {
		s.org.index(c)
	}
	s.emitChange(c, before)
	return data(c)
}

// deleteContact takes a contact out of all searches. It can still be read by id.
//
// DELETE /contacts/{id}
func (s *Sandbox) deleteContact(r *request) (answer, error) {
	c, err := s.org.contact(r)
	if err != nil {
		return answer{}, err
	}
	if c.deleted {
		return answer{}, contactRefusal(1, "contact %d is deleted", c.ID)
	}
	s.org.unindex(c)
	c.deleted = true
	return done(http.StatusAccepted)
}

// unsubscribe takes an array of emails. Nothing that can be read tells who has unsubscribed; events do.
//
// POST /emails/unsubscribe
func (s *Sandbox) unsubscribe(r *request) (answer, error) {
	var emails []string
	if err := r.decode(&emails); err != nil {
		return answer{}, err
	}
	for _, email := range emails {
		for _, c := range s.org.byEmail[email] {
			s.emitUnsubscribed(c)
		}
	}
	return done(http.StatusOK)
}

// createTimelineEvent notes that something happened to a contact. There is no route that lists the events.
//
// POST /contacts/timeline
func (s *Sandbox) createTimelineEvent(r *request) (answer, error) {
	var in struct {
		ContactID  jsontext.Value `json:"contactId"` // a number, also as a string
		ExternalID string         `json:"externalId"`
		Event      string         `json:"event"`
		CreatedAt  int64          `json:"createdAt"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return answer{}, contactRefusal(4, "the body is not the JSON wanted here: %v", err)
	}
	if in.Event == "" {
		return answer{}, contactRefusal(4, "event is missing")
	}
	c := s.org.byExternal[in.ExternalID]
	if len(in.ContactID) > 0 {
		id, err := strconv.ParseInt(strings.Trim(in.ContactID.String(), `"`), 10, 64)
		if err != nil {
			return answer{}, contactRefusal(4, "contactId is not a number")
		}
		c = s.org.contacts[id]
	} else if in.ExternalID == "" {
		return answer{}, contactRefusal(4, "contactId or externalId is missing")
	}
	if c == nil {
		return answer{}, contactRefusal(1, "no visible contact with that id")
	}
	if in.CreatedAt == 0 {
		in.CreatedAt = s.org.tick()
	}
	return data(struct {
		Attributes struct{} `json:"attributes"`
		Event      string   `json:"event"` // Drift answers in lower case
		CreatedAt  int64    `json:"createdAt"`
		ContactID  int64    `json:"contactId"`
	}{Event: strings.ToLower(in.Event), CreatedAt: in.CreatedAt, ContactID: c.ID})
}

// listAttributes answers GET /contacts/attributes.
func (s *Sandbox) listAttributes(*request) (answer, error) {
	return data(struct {
		Properties []attributeDefinition `json:"properties"`
	}{s.org.attributes})
}

// tagsOf returns the tags of a contact, never nil.
func tagsOf(c *contact) []tag {
	tags, _ := c.Attributes["tags"].([]tag)
	return slices.Clip(tags)
}

// listContactTags answers GET /contacts/{id}/tags.
func (s *Sandbox) listContactTags(r *request) (answer, error) {
	c, err := s.org.contact(r)
	if err != nil {
		return answer{}, err
	}
	return data(tagsOf(c))
}

// addContactTags answers POST /contacts/{id}/tags.
func (s *Sandbox) addContactTags(r *request) (answer, error) {
	c, err := s.org.contact(r)
	if err != nil {
		return answer{}, err
	}
	added, err := s.org.readTags(r.body)
	if err != nil {
		return answer{}, err
	}
	tags := tagsOf(c)
	for _, t := range added {
		if !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	s.setTags(c, tags)
	return data(tags)
}

// setTags gives a contact other tags.
func (s *Sandbox) setTags(c *contact, tags []tag) {
	before := maps.Clone(c.Attributes)
	c.Attributes["tags"] = tags
	c.touch(c.revision() + 1)
	s.emitChange(c, before)
}

// deleteContactTag answers DELETE /contacts/{id}/tags/{name}.
func (s *Sandbox) deleteContactTag(r *request) (answer, error) {
	return s.removeTags(r, []tag{{Name: r.vars["name"]}})
}

// deleteContactTags answers POST /contacts/{id}/tags/delete/_bulk.
func (s *Sandbox) deleteContactTags(r *request) (answer, error) {
	unwanted, err := s.org.readTags(r.body)
	if err != nil {
		return answer{}, err
	}
	return s.removeTags(r, unwanted)
}

// removeTags takes tags off the contact of the path.
func (s *Sandbox) removeTags(r *request, unwanted []tag) (answer, error) {
	c, err := s.org.contact(r)
	if err != nil {
		return answer{}, err
	}
	s.setTags(c, slices.DeleteFunc(slices.Clone(tagsOf(c)), func(t tag) bool {
		return slices.ContainsFunc(unwanted, func(u tag) bool { return u.Name == t.Name })
	}))
	return done(http.StatusOK)
}
