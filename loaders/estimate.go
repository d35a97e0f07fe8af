package loaders

import (
	"fmt"

	"github.com/driftgraph/driftgraph/relay"
)

// A Range is how many calls to Drift an operation takes: the member predicted
// of the extensions of its answer.
type Range struct {
	Min int `json:"min"` // when nothing is cached, and every list turns out to be empty
	Max int `json:"max"` // never exceeded
}

// What is assumed of sizes that neither the schema nor the arguments tell.
const (
	assumedContactsOfEmail        = 2
	assumedConversationsOfContact = 5
	assumedParticipants           = 2
	assumedTeams                  = 10
	assumedPlaybooks              = 20
	assumedMeetings               = 20
	assumedReportRows             = 50
	assumedMessagePages           = 3
	assumedAccountPages           = 4
)

// unbounded stands for a number that nothing bounds.
const unbounded = -1

// A number is how many there are: as assumed, and at most, which may be unbounded.
type number struct{ assumed, most int }

func exactly(n int) number { return number{n, n} }

func (n number) times(m number) number {
	if n.assumed = n.assumed * m.assumed; n.assumed > 1<<30 {
		n.assumed = 1 << 30
	}
	switch {
	case n.most == 0 || m.most == 0:
		n.most = 0
	case n.most == unbounded || m.most == unbounded || n.most > (1<<30)/m.most:
		n.most = unbounded
	default:
		n.most *= m.most
	}
	return n
}

func (n number) pagesOf(size int) number {
	n.assumed = pagesOf(n.assumed, size)
	if n.most != unbounded {
		n.most = pagesOf(n.most, size)
	}
	return n
}

// A group is objects of one type that a field leads to. Two fields that lead to
// the same objects, such as Conversation.contact and the author of a message,
// lead to groups of one name, which are read once.
type group struct {
	number
	name string // "" for the root
	of   *group // of messages, their conversations
}

// An estimate follows the selection of an operation as the planner does, with
// numbers of objects in the place of objects.
type estimate struct {
	*Source
	plan  *Plan
	calls map[string]number // by what is read
	named int               // accounts that are named by their ids
	sure  map[string]bool   // what is read whatever there is, each by a call at least
	byID  map[string]string // the types of what is read by its id
	rows  map[string]bool   // types that other calls bring whole: one of them may be there before it is read by its id
}

// Estimate returns how many calls an operation is expected to take when nothing
// is cached, and the range that they lie in. It makes none. Sizes are assumed
// where the schema, the arguments and earlier answers do not tell them. Where
// nothing bounds the calls, most does: the operation may make no more.
func (s *Source) Estimate(p *Plan, most int) (expected int, r Range) {
	if p.typ == "Mutation" {
		// What one change has read the next one reads anew.
		for _, f := range p.root.links {
			calls, part := s.estimate(p, &selection{links: []*field{f}})
			expected += calls
			r.Min += part.Min
			if part.Max == unbounded || r.Max == unbounded {
				r.Max = unbounded
			} else {
				r.Max += part.Max
			}
		}
	} else {
		expected, r = s.estimate(p, p.root)
	}
	if most > 0 && (r.Max == unbounded || r.Max > most) {
		r.Max = most
	}
	if r.Max != unbounded {
		r.Min = min(r.Min, r.Max)
	}
	return expected, r
}

// estimate estimates what a selection at the root of an operation takes.
func (s *Source) estimate(p *Plan, root *selection) (expected int, r Range) {
	e := &estimate{Source: s, plan: p, calls: make(map[string]number), sure: make(map[string]bool), byID: make(map[string]string), rows: make(map[string]bool)}
	if p.typ != "Mutation" {
		for kind, wanted := range p.lists {
			if wanted {
				e.list(group{}, kind)
			}
		}
	}
	e.visit(root, group{number: exactly(1)}, nothing, whole)
	for _, n := range e.calls {
		expected += n.assumed
		if n.most == unbounded || r.Max == unbounded {
			r.Max = unbounded
		} else {
			r.Max += n.most
		}
	}
	if pages := e.knownAccountPages(); pages > 0 && e.named > pages && r.Max != unbounded {
		r.Max += pages + 1 // they are read by their list, and those that are not in it by id
	}
	for what := range e.sure {
		if !e.rows[e.byID[what]] {
			r.Min++
		}
	}
	return expected, r
}

// read notes that a field of the objects from takes so many calls to read what.
func (e *estimate) read(from group, what string, n number) {
	e.share(from, what, what, n)
}

// share is read for what may share calls with others of its kind.
func (e *estimate) share(from group, kind, what string, n number) {
	known := e.calls[what]
	n.assumed = max(n.assumed, known.assumed)
	if known.most == unbounded || n.most == unbounded {
		n.most = unbounded
	} else {
		n.most = max(n.most, known.most)
	}
	e.calls[what] = n
	if from.name == "" && n.most != 0 {
		e.sure[kind] = true
	}
}

// list notes that the list of all of a kind is read.
func (e *estimate) list(from group, kind list) {
	n := exactly(1)
	switch kind {
	case users:
		e.rows[relay.User] = true
	case accounts:
		e.rows[relay.Account] = true
		if pages := e.knownAccountPages(); pages > 0 {
			n = number{pages, pages + 1} // one more for those that are new since then
		} else {
			n = number{assumedAccountPages, unbounded}
		}
	}
	e.read(from, fmt.Sprint("list ", kind), n)
}

// users notes that users are read by their ids.
func (e *estimate) users(from group, f *field, n number) {
	s := f.children[relay.User]
	if s == nil {
		return
	}
	g := group{number: n, name: from.name + ".users " + fmt.Sprintf("%p", f)}
	e.visit(s, g, nothing, identity)
	if s.need <= identity {
		return
	}
	if e.plan.lists[users] {
		e.list(from, users)
	} else {
		e.read(from, g.name, exactly(1)) // whichever way: the field's users are read at once
	}
	e.visit(s, g, identity, whole)
}

// visit follows the links of a group's objects of which what is known rises.
func (e *estimate) visit(s *selection, g group, have, now level) {
	if s == nil {
		return
	}
	for _, f := range s.links {
		if have < f.link.needs && f.link.needs <= now {
			f.link.cost(e, g, f)
		}
	}
}

// meet follows a field to a group of objects of which have is known, each of
// which is read by a call of its own if the selection needs more.
func (e *estimate) meet(f *field, typ string, g group, have level) {
	s := f.children[typ]
	if s == nil {
		return
	}
	e.visit(s, g, nothing, have)
	if s.need > have {
		e.read(g, typ+g.name, g.number)
		e.visit(s, g, have, whole)
	}
}

// find follows a field to an object that is named by its id.
func (e *estimate) find(from group, f *field, typ, id string) {
	g := group{number: exactly(1), name: ":" + id}
	switch {
	case typ == relay.User && e.plan.lists[users]:
		e.list(from, users)
	case typ == relay.User || typ == relay.Account:
		if typ == relay.Account {
			e.named++
		}
		e.byID[typ] = typ
		e.share(from, typ, typ+g.name, exactly(1))
	default:
		e.byID[typ+g.name] = typ
		e.read(from, typ+g.name, exactly(1))
	}
	e.visit(f.children[typ], g, nothing, whole)
}

// whole follows a field to objects all of which is known.
func (e *estimate) whole(f *field, typ string, g group) {
	e.rows[typ] = true
	e.visit(f.children[typ], g, nothing, whole)
}

// below names a group of objects that a field leads to.
func below(from group, f *field, n number) group {
	return group{number: from.number.times(n), name: fmt.Sprintf("%s.%p", from.name, f)}
}

// contactOf returns the contacts of conversations, of which each has one.
func contactOf(conversations group) group {
	return group{number: conversations.number, name: conversations.name + ".contact"}
}

// upTo returns the size of a page of a connection: full, unless less is assumed
// to be there.
func upTo(first, assumed int) number { return number{min(first, assumed), first} }

// messages follows a field to messages.
func (e *estimate) messages(from group, f *field, w *MessageWalk) {
	const page = 50
	pages, n := number{assumedMessagePages, unbounded}, number{w.last, w.last}
	if w.first >= 0 {
		n = exactly(w.first)
	}
	if w.done {
		pages = exactly(0)
	} else if w.first >= 0 && len(w.types) == 0 && w.only == 0 {
		row := -1
		if w.cursor != nil {
			row = w.cursor.row
		}
		pages = exactly(pagesOf(row+1+w.first, page))
	}
	e.read(from, "messages"+from.name+" "+w.page.Conversation.String()+w.page.Marker, from.times(pages))
	g := group{number: from.times(n), name: fmt.Sprintf("%s.%p", from.name, f), of: &from}
	e.whole(f, relay.Message, g)
}

// node follows a field to the object with a global id.
func (e *estimate) node(from group, f *field, id string) {
	n, err := relay.ParseNodeID(id)
	if err != nil || f.children[n.Type] == nil {
		return
	}
	switch n.Type {
	case relay.Contact, relay.User, relay.Conversation:
		e.find(from, f, n.Type, n.ID.String())
	case relay.Account:
		e.find(from, f, n.Type, n.Account)
	case relay.Message:
		of := group{number: exactly(1), name: ":" + n.Parent.String()}
		e.read(from, "messages"+of.name, number{assumedMessagePages, unbounded})
		e.whole(f, n.Type, group{number: exactly(1), name: ":" + id, of: &of})
	case relay.Team:
		e.list(from, teams)
		e.whole(f, n.Type, group{number: exactly(1), name: ":" + id})
	case relay.Playbook:
		e.list(from, playbooks)
		e.whole(f, n.Type, group{number: exactly(1), name: ":" + id})
	}
}

// meetings follows a field to meetings.
func (e *estimate) meetings(from group, f *field) {
	window := fmt.Sprint("meetings ", f.args["from"], " ", f.args["to"])
	e.share(from, "meetings", window, number{1, mostMeetingCalls})
	e.whole(f, "Meeting", below(from, f, number{assumedMeetings, unbounded}))
}

// conversations follows a field to a page of the list of conversations.
func (e *estimate) conversations(from group, f *field, w *ConversationWalk) {
	if w.done {
		return
	}
	pages := 1
	if w.row >= 0 {
		pages = 1 + pagesOf(w.row+1+w.first, w.page.Limit) // the row may have moved down meanwhile
	} else {
		pages = pagesOf(w.first, w.page.Limit)
	}
	e.read(from, "conversations "+w.page.key(), exactly(pages))
	e.meet(f, relay.Conversation, below(from, f, exactly(w.first)), row)
}

// threads follows a field to the first so many conversations of contacts.
func (e *estimate) threads(from group, f *field, first int) {
	if first == 0 {
		return
	}
	g := below(from, f, upTo(first, assumedConversationsOfContact))
	e.read(from, "report "+g.name, from.pagesOf(reportContacts))
	s := f.children[relay.Conversation]
	e.meet(f, relay.Conversation, g, summary)
	if s.need == summary { // a report may leave out even that
		e.read(from, relay.Conversation+g.name, number{0, g.most})
	}
}

// reads makes the cost of a field that takes a call and leads nowhere.
func reads(what string) func(*estimate, group, *field) {
	return func(e *estimate, from group, _ *field) { e.read(from, what, exactly(1)) }
}

// usersBelow follows a field to a user of each object.
func usersBelow(e *estimate, from group, f *field) { e.users(from, f, from.number) }

// accountsBelow follows a field to an account of each object, out of the directory.
func accountsBelow(e *estimate, from group, f *field) {
	e.list(from, accounts)
	e.whole(f, relay.Account, below(from, f, exactly(1)))
}

// playbooksBelow follows a field to a playbook of each object.
func playbooksBelow(e *estimate, from group, f *field) {
	if f.children[relay.Playbook].need > identity {
		e.list(from, playbooks)
		e.whole(f, relay.Playbook, below(from, f, exactly(1)))
	}
}

// conversationBelow follows a field to a conversation of each object.
func conversationBelow(e *estimate, from group, f *field) {
	e.meet(f, relay.Conversation, below(from, f, exactly(1)), identity)
}

// author follows a field to the authors of messages: users, and the contacts of
// the conversations.
func (e *estimate) author(from group, f *field) {
	e.meet(f, relay.Contact, contactOf(*from.of), identity)
	e.users(from, f, from.number)
}
