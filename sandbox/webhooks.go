package sandbox

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DefaultWebhookToken is the verification token of a sandbox that is given none.
const DefaultWebhookToken = "sandbox"

// eventScopes are the events and the scope that an app needs to get each.
var eventScopes = map[string]string{
	"new_message":                      conversationRead,
	"new_command_message":              conversationRead,
	"new_conversation":                 conversationRead,
	"button_clicked":                   conversationRead,
	"button_action":                    conversationRead,
	"conversation_participant_added":   conversationRead,
	"conversation_participant_removed": conversationRead,
	"conversation_inactive":            conversationRead,
	"conversation_push":                conversationRead,
	"conversation_manual_push":         conversationRead,
	"conversation_status_updated":      conversationRead,
	"phone_captured":                   conversationRead,
	"new_meeting":                      conversationRead,
	"meeting_updated":                  conversationRead,
	"playbook_goal_met":                conversationRead,
	"chat_to_call":                     conversationRead,
	"contact_identified":               contactRead,
	"contact_updated":                  allContactRead,
	"user_availability_updated":        userRead,
	"user_unsubscribed":                userRead,
	"user_unsubscribe":                 userRead,
	"gdpr_delete_requested":            gdprRead,
	"app_disconnected":                 anyToken,
}

// A form is one way in which an event may come.
type form struct {
	kind string
	data any
}

// emit posts an event: its first form, or its last if other forms are wanted. Events of one lane, which is the id of what they
// are about, arrive in order. The caller has the organisation for itself, and data is written down before emit returns.
func (s *Sandbox) emit(lane int64, forms ...form) {
	f := forms[0]
	if s.cfg.Delivery.OtherForms {
		f = forms[len(forms)-1]
	}
	s.emitForm(lane, f)
}

func (s *Sandbox) emitForm(lane int64, f form) {
	if scope := eventScopes[f.kind]; scope != anyToken && !slices.Contains(s.access.scopes, scope) {
		return
	}
	if s.emitted != nil {
		*s.emitted = append(*s.emitted, f.kind)
	}
	if s.courier == nil {
		return
	}
	envelope := struct {
		OrgID int64  `json:"orgId"`
		Type  string `json:"type"`
		Token string `json:"token,omitzero"`
		Data  any    `json:"data"`
	}{OrgID: s.org.id, Type: f.kind, Data: f.data}
	if place := s.cfg.Delivery.TokenIn; place == Everywhere || place == InBody {
		envelope.Token = s.courier.token
	}
	body, err := json.Marshal(envelope, json.Deterministic(true))
	if err != nil {
		panic(err) // all of it was read from JSON or made here
	}
	s.courier.send(post{lane, f.kind, body})
}

// emitMessage announces a message. A command is announced as such, and as nothing else.
func (s *Sandbox) emitMessage(m *message) {
	kind := "new_message"
	if len(m.Body) > 0 && m.Body[0] == '/' {
		kind = "new_command_message"
	}
	s.emit(m.ConversationID, form{kind, s.org.announced(m)})
}

// announced is a message as events show it.
func (o *org) announced(m *message) message {
	shown := *m
	shown.OrgID = o.id
	return shown
}

// emitClick announces a message that is a click on a button.
func (s *Sandbox) emitClick(m *message, b button) { s.emit(m.ConversationID, s.org.clicked(m, b)...) }

// clicked has the two forms of a click, of which the second is the older.
func (o *org) clicked(m *message, b button) []form {
	type who struct {
		Type string `json:"type"`
		ID   int64  `json:"id"`
	}
	return []form{
		{"button_clicked", struct {
			message
			ContactID int64 `json:"contactId"`
		}{o.announced(m), m.Author.ID}},
		{"button_action", struct {
			ConversationID  int64  `json:"conversationId"`
			Author          who    `json:"author"`
			SourceMessageID int64  `json:"sourceMessageId"`
			Button          button `json:"button"`
		}{m.ConversationID, who{m.Author.Type, m.Author.ID}, m.ID, b}},
	}
}

// emitParticipants announces who joined or left a conversation.
func (s *Sandbox) emitParticipants(c *conversation, joined, left []int64, at int64) {
	if len(joined) > 0 {
		s.emit(c.ID, form{"conversation_participant_added", struct {
			ConversationID    int64   `json:"conversationId"`
			AddedParticipants []int64 `json:"addedParticipants"`
			ChangedAt         int64   `json:"changedAt"`
		}{c.ID, joined, at}})
	}
	if len(left) > 0 {
		s.emit(c.ID, form{"conversation_participant_removed", struct {
			ConversationID      int64   `json:"conversationId"`
			RemovedParticipants []int64 `json:"removedParticipants"`
			ChangedAt           int64   `json:"changedAt"`
		}{c.ID, left, at}})
	}
}

// emitStatus announces the status of a conversation.
func (s *Sandbox) emitStatus(c *conversation) {
	s.emit(c.ID, form{"conversation_status_updated", struct {
		OrgID          int64  `json:"orgId"`
		ConversationID int64  `json:"conversationId"`
		Status         string `json:"status"`
		ChangedAt      int64  `json:"changedAt"`
	}{s.org.id, c.ID, c.Status, c.UpdatedAt}})
}

// emitQuiet announces that nothing happens any more, or that Drift has passed the conversation on to another system.
func (s *Sandbox) emitQuiet(kind string, c *conversation) {
	s.emit(c.ID, form{kind, struct {
		ConversationID int64 `json:"conversationId"`
		LastUpdated    int64 `json:"lastUpdated"`
	}{c.ID, c.UpdatedAt}})
}

// emitPhone announces a number that a contact has left in a conversation.
func (s *Sandbox) emitPhone(m *message, number string) {
	s.emit(m.ConversationID, form{"phone_captured", struct {
		ConversationID int64  `json:"conversationId"`
		AuthorID       int64  `json:"authorId"`
		AuthorType     string `json:"authorType"`
		PhoneNumber    string `json:"phoneNumber"`
	}{m.ConversationID, m.Author.ID, m.Author.Type, number}})
}

// emitMeeting announces a meeting that was booked, or changed in a way that change names: canceled or rescheduled.
func (s *Sandbox) emitMeeting(m meeting, change string) {
	kind := "new_meeting"
	if change != "" {
		kind = "meeting_updated"
	}
	s.emit(m.ConversationID, form{kind, struct {
		AgentID        int64  `json:"agentId"`
		OrgID          int64  `json:"orgId"`
		SchedulerID    int64  `json:"schedulerId"`
		EventID        string `json:"eventId"`
		Slug           string `json:"slug"`
		SlotStart      int64  `json:"slotStart"`
		SlotEnd        int64  `json:"slotEnd"`
		ScheduledAt    int64  `json:"scheduledAt"`
		ConversationID int64  `json:"conversationId"`
		EventType      string `json:"eventType,omitzero"`
	}{m.AgentID, s.org.id, m.SchedulerID, m.EventID, m.Slug, m.SlotStart, m.SlotEnd, m.ScheduledAt, m.ConversationID, change}})
}

// emitGoal announces that a conversation has reached what its playbook is for.
func (s *Sandbox) emitGoal(c *conversation, p playbook, email string) {
	s.emit(c.ID, form{"playbook_goal_met", struct {
		ConversationID int64  `json:"conversationId"`
		PlaybookID     int64  `json:"playbookId"`
		ContactID      int64  `json:"contactId"`
		GoalID         string `json:"goalId"`
		GoalName       string `json:"goalName"`
		PlaybookName   string `json:"playbookName"`
		ContactEmail   string `json:"contactEmail"`
	}{c.ID, p.ID, c.ContactID, p.Goals[0].ID, p.Goals[0].Message, p.Name, email}})
}

// emitIdentified announces whose email became known.
func (s *Sandbox) emitIdentified(c *contact) { s.emit(c.ID, s.org.identified(c)...) }

// identified has the two forms that clients know.
func (o *org) identified(c *contact) []form {
	return []form{
		{"contact_identified", c},
		{"contact_identified", struct {
			EndUserID int64 `json:"endUserId"`
			OrgID     int64 `json:"orgId"`
		}{c.ID, o.id}},
	}
}

// emitUnsubscribed announces who wants no more email.
func (s *Sandbox) emitUnsubscribed(c *contact) { s.emit(c.ID, unsubscribed(c)...) }

// unsubscribed has the two names that the event has had.
func unsubscribed(c *contact) []form {
	return []form{{"user_unsubscribed", c}, {"user_unsubscribe", c}}
}

// emitAvailability announces what a user is now.
func (s *Sandbox) emitAvailability(u *user) { s.emit(u.ID, availability(u)...) }

// availability has the word that the event is known to use, and the one that users have.
func availability(u *user) []form {
	word := u.Availability
	if word == "AVAILABLE" {
		word = "ONLINE"
	}
	type change struct {
		UserID       int64  `json:"userId"`
		UpdatedAt    int64  `json:"updatedAt"`
		Availability string `json:"availability"`
	}
	return []form{
		{"user_availability_updated", change{u.ID, u.UpdatedAt, word}},
		{"user_availability_updated", change{u.ID, u.UpdatedAt, u.Availability}},
	}
}

// emitForgotten announces that somebody is to be forgotten.
func (s *Sandbox) emitForgotten(email string) {
	s.emit(0, form{"gdpr_delete_requested", struct {
		Email string `json:"email"`
	}{email}})
}

// emitDisconnected announces that the app was removed.
func (s *Sandbox) emitDisconnected() { s.emit(0, form{"app_disconnected", struct{}{}}) }

// A difference is a part of a contact that changed.
type difference struct {
	Name     string         `json:"name"`
	Previous jsontext.Value `json:"previous"` // null if there was none
	Updated  jsontext.Value `json:"updated"`
}

// emitChange announces what changed of a contact that had the given attributes, if anything did, and that it is identified if
// it had no email before.
func (s *Sandbox) emitChange(c *contact, before map[string]any) {
	diff := differences(before, c.Attributes)
	if len(diff) == 0 {
		return
	}
	if (&contact{Attributes: before}).text("email") == "" && c.text("email") != "" {
		s.emitIdentified(c)
	}
	s.emit(c.ID, form{"contact_updated", struct {
		EndUserID int64        `json:"endUserId"`
		Timestamp int64        `json:"timestamp"`
		OrgID     int64        `json:"orgId"`
		Diff      []difference `json:"diff"`
	}{c.ID, s.org.tick(), s.org.id, diff}})
}

// differences compares attributes by their JSON. Social profiles are compared one by one; counters of revisions are not.
func differences(before, after map[string]any) []difference {
	was, is := flatten(before), flatten(after)
	names := slices.Sorted(maps.Keys(is))
	var diff []difference
	for _, name := range names {
		if !bytes.Equal(was[name], is[name]) {
			diff = append(diff, difference{name, was[name], is[name]})
		}
	}
	return diff
}

// flatten writes attributes as JSON, by the names that differences have.
func flatten(attributes map[string]any) map[string]jsontext.Value {
	flat := make(map[string]jsontext.Value, len(attributes))
	write := func(name string, value any) {
		text, err := json.Marshal(value, json.Deterministic(true))
		if err != nil {
			panic(err) // all of it was read from JSON or made here
		}
		flat[name] = text
	}
	for name, value := range attributes {
		switch name {
		case "_END_USER_VERSION", "_end_user_version", "_calculated_version":
		case "socialProfiles":
			text, err := json.Marshal(value)
			if err != nil {
				panic(err) // all of it was read from JSON or made here
			}
			var profiles map[string]any
			if json.Unmarshal(text, &profiles) != nil {
				write("attributes.socialProfiles", value) // somebody has sent something else
				continue
			}
			for profile, value := range profiles {
				write("socialProfiles."+profile, value)
			}
		default:
			write("attributes."+name, value)
		}
	}
	return flat
}

// PostSamples posts one of each event that is known of Drift, in each of its forms, about records that the sandbox has, and
// changes none of them. Events for which it has no record, as it may be small, are left out. It returns the types in the order
// of the posts. A contact_identified comes with the contact, and with endUserId alone; user_unsubscribed has the older name
// user_unsubscribe, and button_clicked the older form button_action; an availability is ONLINE or AVAILABLE.
func (s *Sandbox) PostSamples() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var posted []string
	s.emitted = &posted
	defer func() { s.emitted = nil }()
	all := func(lane int64, forms []form) {
		for _, f := range forms {
			s.emitForm(lane, f)
		}
	}
	if c, m, from := s.org.sampleChat(); c != nil {
		s.emit(c.ID, form{"new_conversation", c})
		s.emitMessage(m)
		command := *m
		command.Body = "/lookup " + cmp.Or(from.text("first_name"), "visitor")
		s.emitMessage(&command)
		all(c.ID, s.org.clicked(m, button{Value: m.Body, Label: m.Body, Type: "reply"}))
		user := s.org.users[0].ID
		s.emitParticipants(c, []int64{user}, []int64{user}, c.UpdatedAt)
		for _, kind := range []string{"conversation_inactive", "conversation_push", "conversation_manual_push"} {
			s.emitQuiet(kind, c)
		}
		s.emitStatus(c)
		s.emitPhone(m, "555-010-2231")
		s.emitGoal(c, s.org.playbooks[0], from.text("email"))
		s.emit(c.ID, form{"chat_to_call", struct {
			ConversationID int64 `json:"conversationId"`
			ContactID      int64 `json:"contactId"`
		}{c.ID, c.ContactID}})
		all(from.ID, s.org.identified(from))
		s.emitChange(from, map[string]any{})
		all(from.ID, unsubscribed(from))
		s.emitForgotten(from.text("email"))
	}
	if len(s.org.meetings) > 0 {
		m := s.org.meetings[0]
		for _, change := range []string{"", "rescheduled", "canceled"} {
			s.emitMeeting(m, change)
		}
	}
	for _, u := range s.org.users {
		if u.Availability == "AVAILABLE" {
			all(u.ID, availability(u))
			break
		}
	}
	s.emitDisconnected()
	return posted
}

// sampleChat is the latest conversation with a contact who can be found by email, and what that contact said in it. They are
// nil if there is none.
func (o *org) sampleChat() (*conversation, *message, *contact) {
	for _, c := range slices.Backward(o.byUpdate) {
		from := o.contacts[c.ContactID]
		if from == nil || from.deleted || from.text("email") == "" {
			continue
		}
		if i := slices.IndexFunc(c.messages, func(m *message) bool { return m.Author.Type == "contact" && m.Body != "" }); i >= 0 {
			return c, c.messages[i], from
		}
	}
	return nil, nil, nil
}
