package loaders

import (
	"strings"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// A link is a field that leads from one object to others, or from the root.
// The resolver of the same field says what it returns; its link says what is
// read for it, and when.
type link struct {
	needs  level                // how much must be known of the object it starts from
	many   bool                 // leads to several objects
	list   list                 // the list of everything of a kind that it looks its objects up in
	all    bool                 // returns entries of that list itself
	when   func(arguments) bool // whether it looks them up at all; nil for always
	follow func(p *planner, from any, f *field)
}

// A list is one of everything of a kind.
type list int

const (
	none list = iota
	users
	accounts
	teams
	playbooks
)

// links are the links of the schema, by type and field.
var links = map[string]*link{
	"Query.node":  {needs: identity, follow: root((*planner).node)},
	"Query.nodes": {needs: identity, many: true, follow: root((*planner).nodes)},
	"Query.viewer": {needs: identity, follow: root(func(p *planner, f *field) {
		p.visit(f.children["Viewer"], nil, nothing, whole)
	})},
	"Viewer.organizationId": {needs: identity, follow: root((*planner).token)},
	"Viewer.scopes":         {needs: identity, follow: root((*planner).token)},

	"Query.contact": {needs: identity, follow: root(func(p *planner, f *field) {
		if id, err := relay.ParseID(relay.Contact, f.args.id("id")); err == nil {
			find(p, f, relay.Contact, &drift.Contact{ID: id}, p.Contacts, id)
		}
	})},
	"Query.contactsByEmail": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		w, err := relay.ParseWindow(f.args.integer("first"), f.args.text("after"))
		email := f.args.text("email")
		if err != nil || email == nil || w.First == 0 {
			return
		}
		await(p, f, nothing, p.ContactsByEmail, *email, func(found []*drift.Contact) {
			met(p, f, relay.Contact, relay.Slice(found, (*drift.Contact).Ref, w))
		})
	})},
	"Query.contactsByExternalId": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		for _, id := range f.args.texts("externalIds") {
			await(p, f, nothing, p.ContactsByExternalID, id, func(c *drift.Contact) {
				if c != nil {
					p.visit(f.children[relay.Contact], c, nothing, whole)
				}
			})
		}
	})},
	"Query.contactAttributes": {needs: identity, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.ContactAttributes, All{}, ignore)
	})},
	"Contact.account": {needs: whole, list: accounts, follow: from(func(p *planner, c *drift.Contact, f *field) {
		p.accountOf(f, c)
	})},
	"Contact.conversations": {needs: identity, many: true, follow: from(func(p *planner, c *drift.Contact, f *field) {
		w, err := relay.ParseWindow(f.args.integer("first"), f.args.text("after"))
		if err != nil || w.First == 0 {
			return
		}
		p.gather(f, func() {
			await(p, f, nothing, p.ContactConversations, c.ID, func(found []*drift.Conversation) {
				for _, e := range relay.Slice(found, (*drift.Conversation).Ref, w).Edges {
					meet(p, f, relay.Conversation, e.Node, reported(e.Node), p.Conversations, e.Node.ID)
				}
			})
		})
	})},

	"Query.user": {needs: identity, list: users, follow: root(func(p *planner, f *field) {
		if id, err := relay.ParseID(relay.User, f.args.id("id")); err == nil {
			p.gather(f, func() { find(p, f, relay.User, &drift.User{ID: id}, p.Users, id) })
		}
	})},
	"Query.users": {needs: identity, many: true, list: users, all: true, follow: root(func(p *planner, f *field) {
		w, err := relay.ParseWindow(f.args.integer("first"), f.args.text("after"))
		if err != nil || w.First == 0 {
			return
		}
		filter := UserFilter{
			Availability: drift.UserAvailability(f.args.id("availability")),
			Role:         drift.UserRole(strings.ToLower(f.args.id("role"))),
			Bot:          f.args.boolean("isBot"),
		}
		await(p, f, nothing, p.UserList, All{}, func(d *UserDirectory) {
			met(p, f, relay.User, relay.Slice(d.Select(filter), (*drift.User).Ref, w))
		})
	})},
	"User.teams": {needs: identity, many: true, list: teams, follow: from(func(p *planner, u *drift.User, f *field) {
		await(p, f, nothing, p.Teams, All{}, func(list []*drift.Team) {
			visitAll(p, f, relay.Team, TeamsOf(list, u.ID))
		})
	})},
	"User.ownedAccounts": {needs: identity, many: true, list: accounts, follow: from(func(p *planner, u *drift.User, f *field) {
		w, err := relay.ParseWindow(f.args.integer("first"), f.args.text("after"))
		if err != nil || w.First == 0 {
			return
		}
		await(p, f, nothing, p.AccountDirectory, All{}, func(d *AccountDirectory) {
			met(p, f, relay.Account, relay.Slice(d.Select(nil, u.ID), (*drift.Account).Ref, w))
		})
	})},
	"User.meetings": {needs: identity, many: true, follow: from(func(p *planner, u *drift.User, f *field) {
		p.meetings(f, func(m *drift.Meeting) bool { return m.AgentID == u.ID })
	})},

	"Query.conversation": {needs: identity, follow: root(func(p *planner, f *field) {
		if id, err := relay.ParseID(relay.Conversation, f.args.id("id")); err == nil {
			find(p, f, relay.Conversation, &drift.Conversation{ID: id}, p.Conversations, id)
		}
	})},
	"Query.conversations": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		w, err := Conversations(wire[drift.ConversationStatus](f.args, "status"), f.args.integer("first"), f.args.text("after"))
		if err != nil {
			return
		}
		drive(p, f, p.ConversationPages, w, func(c *drift.Conversation) {
			meet(p, f, relay.Conversation, c, row, p.Conversations, c.ID)
		})
	})},
	"Query.conversationStats": {needs: identity, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.ConversationStats, All{}, ignore)
	})},
	"Query.conversationReport": {needs: identity, follow: root(func(p *planner, f *field) {
		input, _ := f.args["input"].(map[string]any)
		query, err := parseReport(input)
		if err != nil {
			return
		}
		await(p, f, nothing, p.Reports, query, func(r *drift.Report) {
			p.visit(f.children["ConversationReport"], r, nothing, whole)
		})
	})},
	"ConversationReport.rows": {needs: whole, many: true, follow: from(func(p *planner, r *drift.Report, f *field) {
		for i := range r.Rows {
			p.visit(f.children["ConversationReportRow"], &r.Rows[i], nothing, whole)
		}
	})},
	"ConversationReportRow.conversation": {needs: whole, follow: from(func(p *planner, r *drift.ReportRow, f *field) {
		p.conversation(f, r.ConversationID)
	})},
	"Conversation.contact": {needs: summary, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		p.contact(f, c.ContactID)
	})},
	"Conversation.account": {needs: summary, list: accounts, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		if c.ContactID == 0 {
			return
		}
		await(p, f, nothing, p.Contacts, c.ContactID, func(c *drift.Contact) {
			if c != nil {
				p.accountOf(f, c)
			}
		})
	})},
	"Conversation.participants": {needs: whole, many: true, list: users, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		p.users(f, c.Participants...)
	})},
	"Conversation.messages": {needs: identity, many: true, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		w, err := Messages(c.ID, MessageArgs{
			First: f.args.integer("first"), After: f.args.text("after"),
			Last: f.args.integer("last"), Before: f.args.text("before"),
			Types: wire[drift.MessageType](f.args, "types"),
		})
		if err != nil {
			return
		}
		drive(p, f, p.MessagePages, w, func(m *drift.Message) {
			p.visit(f.children[relay.Message], m, nothing, whole)
		})
	})},
	"Conversation.relatedPlaybook": {needs: whole, list: playbooks, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		p.playbook(f, c.RelatedPlaybookID)
	})},
	"Conversation.transcript": {needs: identity, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		await(p, f, nothing, p.Transcripts, c.ID, ignore)
	})},

	"Message.author": {needs: whole, list: users, follow: from(func(p *planner, m *drift.Message, f *field) {
		switch m.Author.Type {
		case drift.AuthorContact:
			p.contact(f, m.Author.ID)
		case drift.AuthorUser:
			p.users(f, m.Author.ID)
		}
	})},
	"Message.conversation": {needs: identity, follow: from(func(p *planner, m *drift.Message, f *field) {
		p.conversation(f, m.ConversationID)
	})},

	"Query.account": {needs: identity, follow: root(func(p *planner, f *field) {
		if id, err := relay.AccountID(f.args.id("id")); err == nil {
			find(p, f, relay.Account, &drift.Account{ID: id}, p.Accounts, id)
		}
	})},
	"Query.accountByDomain": {needs: identity, list: accounts, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.AccountDirectory, All{}, func(d *AccountDirectory) {
			if a := d.ByDomain(f.args.id("domain")); a != nil {
				p.visit(f.children[relay.Account], a, nothing, whole)
			}
		})
	})},
	"Query.accounts": {needs: identity, many: true, list: accounts, when: filtered, follow: root(func(p *planner, f *field) {
		w, err := relay.ParseWindow(f.args.integer("first"), f.args.text("after"))
		if err != nil || w.First == 0 {
			return
		}
		if !p.InDirectory() {
			drive(p, f, p.AccountPages, Accounts(w), func(a *drift.Account) {
				p.visit(f.children[relay.Account], a, nothing, whole)
			})
			return
		}
		owner, err := OwnerID(f.args.text("ownerId"))
		if err != nil {
			return
		}
		await(p, f, nothing, p.AccountDirectory, All{}, func(d *AccountDirectory) {
			met(p, f, relay.Account, relay.Slice(d.Select(f.args.boolean("targeted"), owner), (*drift.Account).Ref, w))
		})
	})},
	"Account.owner": {needs: whole, list: users, follow: from(func(p *planner, a *drift.Account, f *field) {
		p.users(f, a.OwnerID)
	})},

	"Query.teams": {needs: identity, many: true, list: teams, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.Teams, All{}, func(list []*drift.Team) { visitAll(p, f, relay.Team, list) })
	})},
	"Team.members": {needs: whole, many: true, list: users, follow: from(func(p *planner, t *drift.Team, f *field) {
		p.users(f, t.Members...)
	})},
	"Team.owner": {needs: whole, list: users, follow: from(func(p *planner, t *drift.Team, f *field) {
		p.users(f, t.Owner)
	})},

	"Query.playbooks": {needs: identity, many: true, list: playbooks, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.Playbooks, All{}, func(list []*drift.Playbook) { visitAll(p, f, relay.Playbook, list) })
	})},
	"Playbook.createdBy": {needs: whole, list: users, follow: from(func(p *planner, b *drift.Playbook, f *field) {
		p.users(f, b.CreatedAuthorID)
	})},
	"Playbook.updatedBy": {needs: whole, list: users, follow: from(func(p *planner, b *drift.Playbook, f *field) {
		p.users(f, b.UpdatedAuthorID)
	})},
	"Query.landingPages": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.LandingPages, All{}, func(list []*drift.LandingPage) { visitAll(p, f, "LandingPage", list) })
	})},
	"LandingPage.playbook": {needs: whole, list: playbooks, follow: from(func(p *planner, l *drift.LandingPage, f *field) {
		p.playbook(f, l.PlaybookID)
	})},

	"Query.meetings": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		p.meetings(f, func(*drift.Meeting) bool { return true })
	})},
	"Meeting.agent": {needs: whole, list: users, follow: from(func(p *planner, m *drift.Meeting, f *field) {
		p.users(f, m.AgentID)
	})},
	"Meeting.bookedBy": {needs: whole, list: users, follow: from(func(p *planner, m *drift.Meeting, f *field) {
		p.users(f, m.BookedBy)
	})},
	"Meeting.scheduler": {needs: whole, follow: from(func(p *planner, m *drift.Meeting, f *field) {
		p.contact(f, m.SchedulerID)
	})},
	"Meeting.conversation": {needs: whole, follow: from(func(p *planner, m *drift.Meeting, f *field) {
		p.conversation(f, m.ConversationID)
	})},
}

// root makes a link that starts from no object.
func root(follow func(*planner, *field)) func(*planner, any, *field) {
	return func(p *planner, _ any, f *field) { follow(p, f) }
}

// from makes a link that starts from an object of type T.
func from[T any](follow func(*planner, *T, *field)) func(*planner, any, *field) {
	return func(p *planner, object any, f *field) { follow(p, object.(*T), f) }
}

// filtered reports whether the accounts are those that meet a condition, which
// Drift cannot select by.
func filtered(a arguments) bool { return a["targeted"] != nil || a["ownerId"] != nil }

// ignore is for what leads to no further object.
func ignore[V any](V) {}

// id returns an argument that must be there as text.
func (a arguments) id(name string) string {
	if s := a.text(name); s != nil {
		return *s
	}
	return ""
}

// find reads an object that a client names by its id, whatever is selected:
// the answer must tell whether there is one.
func find[K comparable, V any](p *planner, f *field, typ string, object *V, loader *Loader[K, *V], key K) {
	s := f.children[typ]
	p.visit(s, object, nothing, identity)
	await(p, f, identity, loader, key, func(v *V) {
		if v != nil {
			p.visit(s, v, identity, whole)
		}
	})
}

// met visits the objects of a page, all of which is known.
func met[T any](p *planner, f *field, typ string, page *relay.Connection[*T]) {
	for _, e := range page.Edges {
		p.visit(f.children[typ], e.Node, nothing, whole)
	}
}

// visitAll visits the objects of a list, all of which is known.
func visitAll[T any](p *planner, f *field, typ string, list []*T) {
	for _, object := range list {
		p.visit(f.children[typ], object, nothing, whole)
	}
}

// drive reads the pages of a walk one after the other, then visits what it
// found.
func drive[K comparable, P any, T any](p *planner, f *field, pages *Loader[K, P], w walk[K, P, T], visit func(T)) {
	key, more := w.next()
	if more {
		await(p, f, nothing, pages, key, func(page P) {
			w.add(page)
			drive(p, f, pages, w, visit)
		})
		return
	}
	if page := w.connection(); page != nil {
		for _, e := range page.Edges {
			visit(e.Node)
		}
	}
}

func (p *planner) node(f *field) { p.nodeByID(f, f.args.id("id")) }

func (p *planner) nodes(f *field) {
	for _, id := range f.args.texts("ids") {
		p.nodeByID(f, id)
	}
}

func (p *planner) nodeByID(f *field, id string) {
	n, err := relay.ParseNodeID(id)
	if err != nil {
		return
	}
	switch n.Type {
	case relay.Contact:
		find(p, f, n.Type, &drift.Contact{ID: n.ID}, p.Contacts, n.ID)
	case relay.User:
		p.gather(f, func() { find(p, f, n.Type, &drift.User{ID: n.ID}, p.Users, n.ID) })
	case relay.Conversation:
		find(p, f, n.Type, &drift.Conversation{ID: n.ID}, p.Conversations, n.ID)
	case relay.Account:
		find(p, f, n.Type, &drift.Account{ID: n.Account}, p.Accounts, n.Account)
	case relay.Message:
		drive(p, f, p.MessagePages, FindMessage(n.Parent, n.ID), func(m *drift.Message) {
			p.visit(f.children[n.Type], m, nothing, whole)
		})
	case relay.Team:
		await(p, f, nothing, p.Teams, All{}, func(list []*drift.Team) {
			if t := TeamByID(list, n.ID); t != nil {
				p.visit(f.children[n.Type], t, nothing, whole)
			}
		})
	case relay.Playbook:
		await(p, f, nothing, p.Playbooks, All{}, func(list []*drift.Playbook) {
			if b := PlaybookByID(list, n.ID); b != nil {
				p.visit(f.children[n.Type], b, nothing, whole)
			}
		})
	}
}

func (p *planner) token(f *field) { await(p, f, nothing, p.TokenInfo, All{}, ignore) }

func (p *planner) contact(f *field, id drift.ID) {
	if id != 0 {
		meet(p, f, relay.Contact, &drift.Contact{ID: id}, identity, p.Contacts, id)
	}
}

func (p *planner) conversation(f *field, id drift.ID) {
	if id != 0 {
		meet(p, f, relay.Conversation, &drift.Conversation{ID: id}, identity, p.Conversations, id)
	}
}

// users reads users: at once when they are looked up in their list, else
// together with those of the field's other parents.
func (p *planner) users(f *field, ids ...drift.ID) {
	for _, id := range ids {
		if id == 0 {
			continue
		}
		read := func() { meet(p, f, relay.User, &drift.User{ID: id}, identity, p.Users, id) }
		if p.plan.lists[users] {
			read()
		} else {
			p.gather(f, read)
		}
	}
}

func (p *planner) playbook(f *field, id drift.ID) {
	s := f.children[relay.Playbook]
	if id == 0 || s.need <= identity {
		return
	}
	await(p, f, nothing, p.Playbooks, All{}, func(list []*drift.Playbook) {
		if b := PlaybookByID(list, id); b != nil {
			p.visit(s, b, nothing, whole)
		}
	})
}

// accountOf finds the account of a contact.
func (p *planner) accountOf(f *field, c *drift.Contact) {
	await(p, f, nothing, p.AccountDirectory, All{}, func(d *AccountDirectory) {
		if a := d.Of(c); a != nil {
			p.visit(f.children[relay.Account], a, nothing, whole)
		}
	})
}

func (p *planner) meetings(f *field, wanted func(*drift.Meeting) bool) {
	w, err := p.MeetingWindow(f.args.instant("from"), f.args.instant("to"))
	if err != nil {
		return
	}
	await(p, f, nothing, p.Meetings, w, func(list []*drift.Meeting) {
		for _, m := range list {
			if wanted(m) {
				p.visit(f.children["Meeting"], m, nothing, whole)
			}
		}
	})
}
