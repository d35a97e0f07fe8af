package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

// A Happening is one thing that happened by itself. Ids are 0 and texts empty where it has none.
type Happening struct {
	Kind           HappeningKind
	ConversationID int64
	ContactID      int64
	UserID         int64
	MessageID      int64
	Text           string   // what was written, or the new status, availability or value
	Events         []string // the types of the events that it has, in the order of their posts
}

// A HappeningKind is a kind of thing that happens by itself.
type HappeningKind string

const (
	ConversationStarted HappeningKind = "conversation started" // by a visitor, who may be new
	VisitorWrote        HappeningKind = "visitor wrote"
	AgentAnswered       HappeningKind = "agent answered" // or noted something, or called a colleague; also a bot
	DetailsLeft         HappeningKind = "details left"   // a visitor wrote their email or phone number
	MeetingBooked       HappeningKind = "meeting booked"
	StatusChanged       HappeningKind = "status changed"
	AvailabilityChanged HappeningKind = "availability changed"
	ContactChanged      HappeningKind = "contact changed"
	Nothing             HappeningKind = "nothing" // the sandbox has nobody in it to whom anything could happen
)

// How many chats go on at once.
const (
	fewChats  = 3
	manyChats = 8
)

// A life makes things happen, by random numbers of its own.
type life struct {
	*seeder
	chats          []*chat
	taken          map[string]bool // names of people who came
	nextAttachment int64
}

// A chat is a conversation that goes on.
type chat struct {
	*draft
	turns  []turn // to come
	helper *user  // whom the agent may call in
	words  map[string]string
}

// newLife takes over from the seeder of an organisation.
func newLife(g *seeder) *life {
	l := &life{seeder: g, taken: make(map[string]bool)}
	g.Rand = rand.New(rand.NewPCG(g.cfg.Seed, 0x11fe))
	g.drafts, g.met, g.gone, g.people = nil, nil, nil, nil
	for id := range g.org.attachments {
		l.nextAttachment = max(l.nextAttachment, id)
	}
	l.nextAttachment++
	return l
}

// live makes things happen until ctx ends.
func (s *Sandbox) live(ctx context.Context) {
	for wait(ctx, s.cfg.Activity/2+s.dice.upTo(s.cfg.Activity)) {
		h := s.Act()
		s.log.Debug("happened", "what", h.Kind, "conversation", h.ConversationID, "contact", h.ContactID, "user", h.UserID)
	}
}

// Act makes the next thing happen at once, and its events be posted: a visitor writes or an agent answers, most of the time.
// What happens follows from the seed and from the calls before it.
func (s *Sandbox) Act() Happening {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []string
	s.emitted = &events
	defer func() { s.emitted = nil }()

	l := s.life
	l.now = s.org.now()
	l.forgetLost()
	act := l.book
	switch roll := l.IntN(100); {
	case roll < 60 && len(l.chats) >= fewChats, roll < 72 && len(l.chats) >= manyChats:
		act = l.goOn
	case roll < 72:
		act = l.begin
	case roll < 80:
		act = l.changeStatus
	case roll < 86:
		act = l.changeAvailability
	case roll < 92:
		act = l.changeContact
	case roll < 97:
		act = l.leaveDetails
	}
	h, ok := act(s)
	for _, instead := range []func(*Sandbox) (Happening, bool){l.goOn, l.changeStatus, l.begin, l.changeContact} {
		if !ok {
			h, ok = instead(s)
		}
	}
	if !ok {
		return Happening{Kind: Nothing}
	}
	h.Events = events
	return h
}

// forgetLost ends the chats whose contact was deleted since, or whose agent was removed.
func (l *life) forgetLost() {
	l.chats = slices.DeleteFunc(l.chats, func(c *chat) bool {
		return l.org.contacts[c.from.ID] != c.from || c.from.deleted || l.org.user(c.agent.ID) == nil
	})
}

// happened is a happening in a conversation.
func happened(kind HappeningKind, m *message) Happening {
	h := Happening{Kind: kind, ConversationID: m.ConversationID, MessageID: m.ID, Text: m.Body}
	if m.Author.Type == "user" {
		h.UserID = m.Author.ID
	} else {
		h.ContactID = m.Author.ID
	}
	return h
}

// goOn lets the next one speak in a chat.
func (l *life) goOn(s *Sandbox) (Happening, bool) {
	talking := slices.DeleteFunc(slices.Clone(l.chats), func(c *chat) bool { return len(c.turns) == 0 })
	if len(talking) == 0 {
		return Happening{}, false
	}
	c := pick(l.seeder, talking)
	t := c.turns[0]
	c.turns = c.turns[1:]
	return l.speak(s, c, t), true
}

// speak says the line of a turn.
func (l *life) speak(s *Sandbox, c *chat, t turn) Happening {
	m := &message{OrgID: l.org.id, Type: "chat", Body: l.mark(c.fill(t.text))}
	if t.file != "" {
		file := newAttachment(l.nextAttachment, c.fill(t.file))
		l.nextAttachment++
		l.org.attachments[file.ID] = file
		m.Attachments = []*attachment{file}
	}
	if t.who == visitor {
		m.Author = author{ID: c.from.ID, Type: "contact"}
		l.hear(s, c, m)
		return happened(VisitorWrote, m)
	}
	from := c.agent
	switch t.who {
	case bot:
		from = l.host(c.draft)
	case colleague:
		from = c.helper
	case note:
		m.Type = "private_note"
	}
	if l.org.user(from.ID) == nil {
		from = c.agent // who has to do it alone
	}
	m.Author = author{from.ID, "user", from.Bot}
	if m.Type == "chat" && m.Body != "" {
		m.Body = "<p>" + escape.Replace(m.Body) + "</p>"
	}
	s.add(c.conversation, m)
	return happened(AgentAnswered, m)
}

// hear adds what a visitor wrote, which opens the conversation if it was not.
func (l *life) hear(s *Sandbox, c *chat, m *message) {
	s.add(c.conversation, m)
	if c.Status != "open" {
		s.setStatus(c.conversation, "open")
	}
}

// fill puts the words of the chat into a text.
func (c *chat) fill(text string) string {
	return os.Expand(text, func(name string) string { return c.words[name] })
}

// staff returns who can answer for a team: its members who are there, or else anybody; bots where there are no people.
func (l *life) staff(team int) []*user {
	var members, people []*user
	for _, u := range l.org.users {
		if u.Bot {
			continue
		}
		people = append(people, u)
		if u.Availability == "AVAILABLE" && slices.Contains(l.org.teams[team].Members, u.ID) {
			members = append(members, u)
		}
	}
	switch {
	case len(members) > 0:
		return members
	case len(people) > 0:
		return people
	}
	return slices.Clone(l.org.users)
}

// newChat readies a chat about a topic with the agent, or with anyone of the staff if that is nil.
func (l *life) newChat(c *conversation, from *contact, about *topic, agent *user) *chat {
	staff := l.staff(about.team)
	if agent == nil {
		agent = pick(l.seeder, staff)
	}
	made := &chat{draft: &draft{conversation: c, from: from, topic: about, agent: agent}, helper: agent}
	others := append(staff, l.staff((about.team+1)%len(l.org.teams))...)
	if others = slices.DeleteFunc(others, func(u *user) bool { return u == agent }); len(others) > 0 {
		made.helper = pick(l.seeder, others)
	}
	made.words = l.words(made.draft, made.helper)()
	return made
}

// discuss is the question and the answers on the topic of a chat, to its end.
func (l *life) discuss(c *chat) (ask turn, answers []turn) {
	start := pick(l.seeder, c.topic.openings)
	answers = append(answers, say(agent, start.answer))
	for _, each := range c.topic.lines {
		answers = append(answers, turn{line: each})
	}
	return say(visitor, start.ask), append(answers, say(visitor, pick(l.seeder, thanks)), say(agent, pick(l.seeder, byes)))
}

// begin starts a conversation, or takes an open one up again.
func (l *life) begin(s *Sandbox) (Happening, bool) {
	if len(l.org.users) == 0 {
		return Happening{}, false // nobody answers
	}
	if l.chance(40) {
		if h, ok := l.takeUp(s); ok {
			return h, true
		}
	}
	return l.start(s), true
}

// takeUp lets the visitor of an open conversation come back with another question, or an agent answer who has kept one waiting.
func (l *life) takeUp(s *Sandbox) (Happening, bool) {
	var open []*conversation
	for _, c := range slices.Backward(l.org.byUpdate) {
		from := l.org.contacts[c.ContactID]
		busy := slices.ContainsFunc(l.chats, func(other *chat) bool { return other.conversation == c })
		if (c.Status == "open" || c.Status == "pending") && from != nil && !from.deleted && !busy && len(c.messages) > 0 {
			if open = append(open, c); len(open) == 20 {
				break
			}
		}
	}
	if len(open) == 0 {
		return Happening{}, false
	}
	picked := pick(l.seeder, open)
	var known *user
	for _, id := range picked.Participants {
		if u := l.org.user(id); u != nil && !u.Bot && known == nil {
			known = u
		}
	}
	c := l.newChat(picked, l.org.contacts[picked.ContactID], &topics[l.IntN(len(topics))], known)
	ask, answers := l.discuss(c)
	c.turns = append([]turn{ask}, answers...)
	first := say(visitor, pick(l.seeder, returns))
	if last := picked.messages[len(picked.messages)-1]; last.Author.Type == "contact" {
		first = say(agent, pick(l.seeder, lateAnswers))
	}
	l.chats = append(l.chats, c)
	return l.speak(s, c, first), true
}

// start lets somebody open a chat on the site: one who was there before, one who is new, or one whom nobody knows.
func (l *life) start(s *Sandbox) Happening {
	var from *contact
	switch roll := l.IntN(100); {
	case roll < 60:
		from = l.acquaintance()
	case roll < 85:
		from = l.stranger(s, 1)
	}
	if from == nil {
		from = l.stranger(s, 5)
	}
	about := &topics[l.IntN(len(topics))]
	c := l.newChat(nil, from, about, nil)
	ask, answers := l.discuss(c)
	m := &message{OrgID: l.org.id, Type: "chat", Body: l.mark(c.fill(ask.text)), Author: author{ID: from.ID, Type: "contact"}, Context: l.visit(c.draft)}
	greeting := preMessage{Body: "<p>" + escape.Replace(c.fill(pick(l.seeder, greetings))) + "</p>"}
	greeting.Sender.ID = l.host(c.draft).ID
	m.Attributes.PreMessages = []preMessage{greeting}
	clicks := l.chance(50)
	switch {
	case clicks:
		m.Body = about.button
		c.turns = append([]turn{say(bot, pick(l.seeder, handovers)), ask}, answers...)
	case l.chance(15):
		c.turns = []turn{say(bot, away)}
	default:
		c.turns = answers
	}
	c.conversation = l.org.startConversation(from, m)
	if l.chance(65) {
		c.RelatedPlaybookID = l.org.playbooks[(about.team+l.IntN(2))%len(l.org.playbooks)].ID
	}
	a := from.Attributes
	a["recent_conversation_started_page_url"], a["recent_conversation_started_page_title"] = m.Context.Href, m.Context.Title
	if _, ok := a["original_conversation_started_page_url"]; !ok {
		a["original_conversation_started_page_url"], a["original_conversation_started_page_title"] = m.Context.Href, m.Context.Title
	}
	l.chats = append(l.chats, c)
	s.emit(c.ID, form{"new_conversation", c.conversation})
	s.emitMessage(m)
	if clicks {
		s.emitClick(m, button{Value: about.button, Label: about.button, Type: "reply"})
	}
	return happened(ConversationStarted, m)
}

// acquaintance picks a contact with an email who is not in a chat, or nil.
func (l *life) acquaintance() *contact {
	known := slices.DeleteFunc(slices.Sorted(maps.Keys(l.org.contacts)), func(id int64) bool {
		c := l.org.contacts[id]
		return c.deleted || c.text("email") == "" || slices.ContainsFunc(l.chats, func(other *chat) bool { return other.from == c })
	})
	if len(known) == 0 {
		return nil
	}
	return l.org.contacts[pick(l.seeder, known)]
}

// stranger adds a contact, of whom makeContact knows by the number what is odd.
func (l *life) stranger(s *Sandbox, number int) *contact {
	c := l.makeContact(number, l.taken)
	c.ID, c.CreatedAt = l.org.nextContact, l.org.tick()
	l.org.nextContact++
	c.Attributes["start_date"] = c.CreatedAt
	c.touch(1)
	l.org.contacts[c.ID] = c
	l.org.index(c)
	if c.text("email") != "" {
		s.emitIdentified(c)
	}
	return c
}

// changeStatus closes a chat in which all is said, or sets one aside until its visitor writes again.
func (l *life) changeStatus(s *Sandbox) (Happening, bool) {
	if i := slices.IndexFunc(l.chats, func(c *chat) bool { return len(c.turns) == 0 }); i >= 0 {
		c := l.chats[i]
		l.chats = slices.Delete(l.chats, i, i+1)
		status := "closed"
		if c.messages[len(c.messages)-1].Author.Bot {
			status = "pending" // a person has yet to answer
		}
		s.setStatus(c.conversation, status)
		return Happening{Kind: StatusChanged, ConversationID: c.ID, ContactID: c.ContactID, Text: status}, true
	}
	waiting := slices.DeleteFunc(slices.Clone(l.chats), func(c *chat) bool {
		return c.Status != "open" || len(c.turns) == 0 || c.turns[0].who != visitor
	})
	if len(waiting) == 0 {
		return Happening{}, false
	}
	c := pick(l.seeder, waiting)
	s.setStatus(c.conversation, "pending")
	return Happening{Kind: StatusChanged, ConversationID: c.ID, ContactID: c.ContactID, Text: c.Status}, true
}

// changeAvailability lets an agent come or go.
func (l *life) changeAvailability(s *Sandbox) (Happening, bool) {
	people := slices.DeleteFunc(slices.Clone(l.org.users), func(u *user) bool { return u.Bot })
	if len(people) == 0 {
		return Happening{}, false
	}
	u := pick(l.seeder, people)
	if u.Availability == "AVAILABLE" {
		u.Availability = pick(l.seeder, []string{"OFFLINE", "OFFLINE", "ON_CALL"})
	} else {
		u.Availability = "AVAILABLE"
	}
	u.UpdatedAt = l.org.tick()
	s.emitAvailability(u)
	return Happening{Kind: AvailabilityChanged, UserID: u.ID, Text: u.Availability}, true
}

// changeContact lets something become known about a contact.
func (l *life) changeContact(s *Sandbox) (Happening, bool) {
	c := l.acquaintance()
	if c == nil {
		return Happening{}, false
	}
	name, value := "seats", any(l.between(3, 250))
	switch l.IntN(5) {
	case 0:
		name, value = "plan_tier", another(l.seeder, []string{"bronze", "silver", "gold"}, c.text("plan_tier"))
	case 1:
		name, value = "_classification", another(l.seeder, []string{"Engaged", "Identified", "Customer"}, c.text("_classification"))
	case 2:
		name, value = "employment_title", another(l.seeder, jobTitles(), c.text("employment_title"))
	case 3:
		name, value = "renewal_at", l.now+l.between(3, 360)*day
	}
	l.change(s, c, name, value)
	return Happening{Kind: ContactChanged, ContactID: c.ID, Text: fmt.Sprint(name, ": ", value)}, true
}

// change sets an attribute of a contact.
func (l *life) change(s *Sandbox, c *contact, name string, value any) {
	before := maps.Clone(c.Attributes)
	l.org.unindex(c)
	c.Attributes[name] = value
	l.org.index(c)
	c.touch(c.revision() + 1)
	s.emitChange(c, before)
}

// another picks a text that is not the one there is.
func another(g *seeder, texts []string, than string) string {
	return pick(g, slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return text == than }))
}

func jobTitles() []string {
	titles := make([]string, len(jobs))
	for i, each := range jobs {
		titles[i] = each.title
	}
	return titles
}

// leaveDetails lets a visitor say how to reach them: the email if it is not known, or else the phone number.
func (l *life) leaveDetails(s *Sandbox) (Happening, bool) {
	willing := slices.DeleteFunc(slices.Clone(l.chats), func(c *chat) bool {
		return len(c.turns) == 0 || c.from.text("email") != "" && c.from.text("phone") != ""
	})
	if len(willing) == 0 {
		return Happening{}, false
	}
	c := pick(l.seeder, willing)
	m := &message{OrgID: l.org.id, Type: "chat", Author: author{ID: c.from.ID, Type: "contact"}}
	name, value, text := "phone", l.phone(), "If we get cut off, my number is %s."
	if c.from.text("email") == "" {
		first, last := l.name(l.taken)
		name, text = "email", "You can write to me at %s in case I lose this window."
		value = fmt.Sprintf("%s%s%04d@%s", strings.ToLower(first), strings.ToLower(last), l.IntN(10_000), freemail[0])
	}
	m.Body = l.mark(fmt.Sprintf(text, value))
	l.hear(s, c, m)
	if name == "phone" {
		s.emitPhone(m, value)
	}
	l.change(s, c.from, name, value)
	return happened(DetailsLeft, m), true
}

// book lets a visitor book a meeting with the agent they talk to.
func (l *life) book(s *Sandbox) (Happening, bool) {
	willing := slices.DeleteFunc(slices.Clone(l.chats), func(c *chat) bool {
		return c.from.text("email") == "" || c.agent.Bot || !slices.Contains(c.Participants, c.agent.ID)
	})
	if len(willing) == 0 {
		return Happening{}, false
	}
	c := pick(l.seeder, willing)
	m := l.meeting(0, c.draft)
	m.ScheduledAt = l.org.tick()
	m.UpdatedAt = m.ScheduledAt
	i, _ := slices.BinarySearchFunc(l.org.meetings, m.SlotStart, func(m meeting, t int64) int { return cmp.Compare(m.SlotStart, t) })
	l.org.meetings = slices.Insert(l.org.meetings, i, m)
	s.emitMeeting(m, "")
	if i := slices.IndexFunc(l.org.playbooks, func(p playbook) bool { return p.ID == c.RelatedPlaybookID && len(p.Goals) > 0 }); i >= 0 {
		s.emitGoal(c.conversation, l.org.playbooks[i], c.from.text("email"))
	}
	at := time.UnixMilli(m.SlotStart).UTC().Format(time.RFC3339)
	return Happening{Kind: MeetingBooked, ConversationID: c.ID, ContactID: c.from.ID, UserID: m.AgentID, Text: at}, true
}
