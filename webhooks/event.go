package webhooks

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
	"github.com/driftgraph/driftgraph/loaders"
)

// A job is what an event of Drift's makes necessary.
type job struct {
	org    drift.ID // that it is of
	lane   drift.ID // events of one are worked off in order
	change loaders.Change
	events []events.Event
	forget string // the e-mail address of somebody who is to be forgotten, and nothing else; "" for none
}

// of says which organisation a job is of.
func (j *job) of(org drift.ID) {
	j.org = org
	for i := range j.events {
		j.events[i].Org = org
	}
}

// A subject is what an event of Drift's is about: how to read its ids.
type subject int

const (
	message      subject = iota // a message, which is new
	started                     // a conversation, which is new
	conversation                // a conversation
	booking                     // a meeting, arranged in a conversation
	phone                       // a conversation, and the contact who left a number there
	person                      // a contact
	user                        // a user
	erasure                     // somebody who is to be forgotten
	app                         // the gateway's own access to Drift
)

// subjects are the types of events that are known of Drift.
var subjects = map[string]subject{
	"new_message":                      message,
	"new_command_message":              message,
	"button_clicked":                   message,
	"new_conversation":                 started,
	"button_action":                    conversation,
	"conversation_participant_added":   conversation,
	"conversation_participant_removed": conversation,
	"conversation_inactive":            conversation,
	"conversation_push":                conversation,
	"conversation_manual_push":         conversation,
	"conversation_status_updated":      conversation,
	"playbook_goal_met":                conversation,
	"chat_to_call":                     conversation,
	"new_meeting":                      booking,
	"meeting_updated":                  booking,
	"phone_captured":                   phone,
	"contact_identified":               person,
	"contact_updated":                  person,
	"user_unsubscribed":                person,
	"user_unsubscribe":                 person,
	"user_availability_updated":        user,
	"gdpr_delete_requested":            erasure,
	"app_disconnected":                 app,
}

// options read what Drift sends as it is, faulty or not.
var options = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// members are those of an object. What is no object has none.
type members map[string]jsontext.Value

func membersOf(text []byte) members {
	var m members
	if json.Unmarshal(text, &m, options) != nil {
		return nil
	}
	return m
}

// id returns the first of the named members that is an id, 0 if none is.
func (m members) id(names ...string) drift.ID {
	for _, name := range names {
		var id drift.ID
		if text, ok := m[name]; ok && json.Unmarshal(text, &id) == nil && id > 0 {
			return id
		}
	}
	return 0
}

// text returns a member that is a text, "" if it is none.
func (m members) text(name string) string {
	var s string
	if v, ok := m[name]; !ok || json.Unmarshal(v, &s, options) != nil {
		return ""
	}
	return s
}

// read reads which records an event is about. It takes nothing else from the
// body. ok is false if the body does not have the ids that it should.
func read(kind string, about subject, body []byte) (j job, ok bool) {
	data := membersOf(body)
	tell := func(e events.Event, id string) {
		e.ID = string(e.Kind) + ":" + id
		j.events = append(j.events, e)
	}
	switch about {
	case message:
		j.lane = data.id("conversationId")
		if j.lane == 0 {
			return j, false
		}
		j.change.Conversations = []drift.ID{j.lane}
		id := digest(kind, body)
		if m := data.id("id"); m != 0 {
			id = j.lane.String() + ":" + m.String() // a click comes as a click and as a message
			tell(events.Event{Kind: events.MessageAdded, Conversation: j.lane, Message: m}, id)
		}
		tell(events.Event{Kind: events.ConversationUpdated, Conversation: j.lane}, id)
	case started:
		if j.lane = data.id("id", "conversationId"); j.lane == 0 {
			return j, false
		}
		j.change.Conversations = []drift.ID{j.lane}
		tell(events.Event{Kind: events.ConversationStarted, Conversation: j.lane}, j.lane.String())
	case conversation, phone, booking:
		j.lane = data.id("conversationId")
		j.change.Meetings = about == booking
		if j.lane == 0 {
			return j, about == booking // one that was arranged elsewhere
		}
		j.change.Conversations = []drift.ID{j.lane}
		tell(events.Event{Kind: events.ConversationUpdated, Conversation: j.lane}, digest(kind, body))
		if author := data.id("authorId"); about == phone && author != 0 && data.text("authorType") != "user" {
			j.change.Contacts = []drift.ID{author}
			tell(events.Event{Kind: events.ContactUpdated, Contact: author}, digest(kind, body))
		}
	case person:
		if j.lane = data.id("endUserId", "contactId", "id"); j.lane == 0 {
			return j, false
		}
		j.change.Contacts = []drift.ID{j.lane}
		tell(events.Event{Kind: events.ContactUpdated, Contact: j.lane}, digest(kind, body))
	case user:
		if j.lane = data.id("userId", "id"); j.lane == 0 {
			return j, false
		}
		j.change.Users = []drift.ID{j.lane}
		tell(events.Event{Kind: events.UserAvailabilityChanged, User: j.lane}, digest(kind, body))
	case erasure:
		j.forget = data.text("email")
		return j, j.forget != ""
	case app:
	}
	return j, true
}

// digest names an event by all that it says, as Drift gives it no id. Drift puts
// the time into most, so that one that happens again has another name.
func digest(kind string, body []byte) string {
	sum := sha256.New()
	sum.Write([]byte(kind))
	sum.Write([]byte{'\n'})
	canonical := jsontext.Value(body).Clone()
	if canonical.Canonicalize(options) == nil {
		body = canonical
	}
	sum.Write(body)
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
