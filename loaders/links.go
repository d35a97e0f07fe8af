package loaders

import (
	"fmt"
	"strings"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
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
	cost   func(e *estimate, from group, f *field) // what follow reads, by numbers of objects
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
	"Query.node": {needs: identity, follow: root((*planner).node), cost: func(e *estimate, from group, f *field) { e.node(from, f, f.args.id("id")) }},
	"Query.nodes": {needs: identity, many: true, follow: root((*planner).nodes), cost: func(e *estimate, from group, f *field) {
		for _, id := range f.args.texts("ids") {
			e.node(from, f, id)
		}
	}},
	"Query.viewer": {needs: identity, follow: root(func(p *planner, f *field) {
		p.visit(f.children["Viewer"], nil, nothing, whole)
	}), cost: func(e *estimate, from group, f *field) { e.visit(f.children["Viewer"], from, nothing, whole) }},
	"Viewer.organizationId": {needs: identity, follow: root((*planner).token), cost: reads("token")},
	"Viewer.scopes":         {needs: identity, follow: root((*planner).token), cost: reads("token")},

	"Subscription.messageAdded": {needs: identity, follow: root(func(p *planner, f *field) {
		e := events.From(p.ctx)
		if s := f.children[relay.Message]; s != nil && s.need <= identity {
			p.visit(s, &drift.Message{ID: e.Message, ConversationID: e.Conversation}, nothing, identity)
			return
		}
		p.nodeByID(f, relay.Message+":"+e.Conversation.String()+":"+e.Message.String())
	}), cost: addedMessage},
	"Subscription.conversationStarted": changedConversation,
	"Subscription.conversationUpdated": changedConversation,
	"Subscription.contactUpdated": {needs: identity, follow: root(func(p *planner, f *field) {
		p.contact(f, events.From(p.ctx).Contact)
	}), cost: func(e *estimate, from group, f *field) {
		e.meet(f, relay.Contact, below(from, f, exactly(1)), identity)
	}},
	"Subscription.userAvailabilityChanged": {needs: identity, list: users, follow: root(func(p *planner, f *field) {
		p.users(f, events.From(p.ctx).User)
	}), cost: usersBelow},

	"Query.contact": {needs: identity, follow: root(func(p *planner, f *field) {
		if id, err := relay.ParseID(relay.Contact, f.args.id("id")); err == nil {
			find(p, f, relay.Contact, &drift.Contact{ID: id}, p.Contacts, id)
		}
	}), cost: func(e *estimate, from group, f *field) {
		if id, err := relay.ParseID(relay.Contact, f.args.id("id")); err == nil {
			e.find(from, f, relay.Contact, id.String())
		}
	}},
	"Query.contactsByEmail": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		w, err := relay.ParseWindow(ByEmail, f.args.integer("first"), f.args.text("after"))
		email := f.args.id("email")
		if err != nil || w.First == 0 || CheckEmail(email) != nil {
			return
		}
		await(p, f, nothing, p.ContactsByEmail, email, func(found []*drift.Contact) {
			met(p, f, relay.Contact, relay.Slice(found, (*drift.Contact).Ref, w))
		})
	}), cost: func(e *estimate, from group, f *field) {
		w, err := relay.ParseWindow(ByEmail, f.args.integer("first"), f.args.text("after"))
		if err != nil || w.First == 0 || CheckEmail(f.args.id("email")) != nil {
			return
		}
		e.read(from, "email "+f.args.id("email"), number{1, mostEmailPages})
		e.whole(f, relay.Contact, below(from, f, upTo(w.First, assumedContactsOfEmail)))
	}},
	"Query.contactsByExternalId": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		ids := f.args.texts("externalIds")
		if CheckExternalIDs(ids) != nil {
			return
		}
		for _, id := range ids {
			await(p, f, nothing, p.ContactsByExternalID, id, func(c *drift.Contact) {
				if c != nil {
					p.visit(f.children[relay.Contact], c, nothing, whole)
				}
			})
		}
	}), cost: func(e *estimate, from group, f *field) {
		ids := f.args.texts("externalIds")
		if CheckExternalIDs(ids) != nil {
			return
		}
		n := exactly(len(ids))
		e.share(from, "external ids", fmt.Sprintf("external ids %p", f), n.pagesOf(drift.MaxExternalIDs))
		e.whole(f, relay.Contact, below(from, f, n))
	}},
	"Query.contactAttributes": {needs: identity, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.ContactAttributes, All{}, ignore)
	}), cost: reads("attributes")},
	"Contact.account": {needs: whole, list: accounts, follow: from(func(p *planner, c *drift.Contact, f *field) {
		p.accountOf(f, c)
	}), cost: accountsBelow},
	"Contact.conversations": {needs: identity, many: true, follow: from(func(p *planner, c *drift.Contact, f *field) {
		w, err := relay.ParseWindow(ThreadsOf(c.ID), f.args.integer("first"), f.args.text("after"))
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
	}), cost: func(e *estimate, from group, f *field) {
		if n, err := relay.Size("first", f.args.integer("first")); err == nil { // whose cursor it is is not known yet
			e.threads(from, f, n)
		}
	}},

	"Query.user": {needs: identity, list: users, follow: root(func(p *planner, f *field) {
		if id, err := relay.ParseID(relay.User, f.args.id("id")); err == nil {
			p.gather(f, func() { find(p, f, relay.User, &drift.User{ID: id}, p.Users, id) })
		}
	}), cost: func(e *estimate, from group, f *field) {
		if id, err := relay.ParseID(relay.User, f.args.id("id")); err == nil {
			e.find(from, f, relay.User, id.String())
		}
	}},
	"Query.users": {needs: identity, many: true, list: users, all: true, follow: root(func(p *planner, f *field) {
		filter, w, err := usersOf(f)
		if err != nil || w.First == 0 {
			return
		}
		await(p, f, nothing, p.UserList, All{}, func(d *UserDirectory) {
			met(p, f, relay.User, relay.Slice(d.Select(filter), (*drift.User).Ref, w))
		})
	}), cost: func(e *estimate, from group, f *field) {
		if _, w, err := usersOf(f); err == nil && w.First > 0 {
			e.list(from, users)
			e.whole(f, relay.User, below(from, f, exactly(w.First)))
		}
	}},
	"User.teams": {needs: identity, many: true, list: teams, follow: from(func(p *planner, u *drift.User, f *field) {
		await(p, f, nothing, p.Teams, All{}, func(list []*drift.Team) {
			visitAll(p, f, relay.Team, TeamsOf(list, u.ID))
		})
	}), cost: func(e *estimate, from group, f *field) {
		e.list(from, teams)
		e.whole(f, relay.Team, below(from, f, number{assumedTeams, unbounded}))
	}},
	"User.ownedAccounts": {needs: identity, many: true, list: accounts, follow: from(func(p *planner, u *drift.User, f *field) {
		w, err := relay.ParseWindow(OwnedBy(u.ID), f.args.integer("first"), f.args.text("after"))
		if err != nil || w.First == 0 {
			return
		}
		await(p, f, nothing, p.AccountDirectory, All{}, func(d *AccountDirectory) {
			met(p, f, relay.Account, relay.Slice(d.Select(nil, u.ID), (*drift.Account).Ref, w))
		})
	}), cost: func(e *estimate, from group, f *field) {
		if n, err := relay.Size("first", f.args.integer("first")); err == nil && n > 0 { // whose cursor it is is not known yet
			e.list(from, accounts)
			e.whole(f, relay.Account, below(from, f, exactly(n)))
		}
	}},
	"User.meetings": {needs: identity, many: true, follow: from(func(p *planner, u *drift.User, f *field) {
		p.meetings(f, func(m *drift.Meeting) bool { return m.AgentID == u.ID })
	}), cost: (*estimate).meetings},

	"Query.conversation": {needs: identity, follow: root(func(p *planner, f *field) {
		if id, err := relay.ParseID(relay.Conversation, f.args.id("id")); err == nil {
			find(p, f, relay.Conversation, &drift.Conversation{ID: id}, p.Conversations, id)
		}
	}), cost: func(e *estimate, from group, f *field) {
		if id, err := relay.ParseID(relay.Conversation, f.args.id("id")); err == nil {
			e.find(from, f, relay.Conversation, id.String())
		}
	}},
	"Query.conversations": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		w, err := conversationsOf(f)
		if err != nil {
			return
		}
		drive(p, f, p.ConversationPages, w, 0, func(c *drift.Conversation) {
			meet(p, f, relay.Conversation, c, row, p.Conversations, c.ID)
		})
	}), cost: func(e *estimate, from group, f *field) {
		if w, err := conversationsOf(f); err == nil {
			e.conversations(from, f, w)
		}
	}},
	"Query.conversationStats": {needs: identity, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.ConversationStats, All{}, ignore)
	}), cost: reads("stats")},
	"Query.conversationReport": {needs: identity, follow: root(func(p *planner, f *field) {
		query, err := reportOf(f)
		if err != nil {
			return
		}
		await(p, f, nothing, p.Reports, query, func(r *drift.Report) {
			p.visit(f.children["ConversationReport"], r, nothing, whole)
		})
	}), cost: func(e *estimate, from group, f *field) {
		if _, err := reportOf(f); err != nil {
			return
		}
		e.share(from, "report", fmt.Sprintf("report %p", f), exactly(1))
		e.visit(f.children["ConversationReport"], below(from, f, exactly(1)), nothing, whole)
	}},
	"ConversationReport.rows": {needs: whole, many: true, follow: from(func(p *planner, r *drift.Report, f *field) {
		for i := range r.Rows {
			p.visit(f.children["ConversationReportRow"], &r.Rows[i], nothing, whole)
		}
	}), cost: func(e *estimate, from group, f *field) {
		e.whole(f, "ConversationReportRow", below(from, f, number{assumedReportRows, unbounded}))
	}},
	"ConversationReportRow.conversation": {needs: whole, follow: from(func(p *planner, r *drift.ReportRow, f *field) {
		p.conversation(f, r.ConversationID)
	}), cost: conversationBelow},
	"Conversation.contact": {needs: summary, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		p.contact(f, c.ContactID)
	}), cost: func(e *estimate, from group, f *field) { e.meet(f, relay.Contact, contactOf(from), identity) }},
	"Conversation.account": {needs: summary, list: accounts, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		if c.ContactID == 0 {
			return
		}
		await(p, f, nothing, p.Contacts, c.ContactID, func(c *drift.Contact) {
			if c != nil {
				p.accountOf(f, c)
			}
		})
	}), cost: func(e *estimate, from group, f *field) {
		e.read(from, relay.Contact+contactOf(from).name, from.number)
		accountsBelow(e, from, f)
	}},
	"Conversation.participants": {needs: whole, many: true, list: users, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		p.users(f, c.Participants...)
	}), cost: func(e *estimate, from group, f *field) {
		e.users(from, f, from.times(number{assumedParticipants, unbounded}))
	}},
	"Conversation.messages": {needs: identity, many: true, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		w, err := messagesOf(c.ID, f)
		if err != nil {
			return
		}
		drive(p, f, p.MessagePages, w, 0, func(m *drift.Message) {
			p.visit(f.children[relay.Message], m, nothing, whole)
		})
	}), cost: func(e *estimate, from group, f *field) {
		if w, err := messagesOf(0, f); err == nil {
			e.messages(from, f, w)
		}
	}},
	"Conversation.relatedPlaybook": {needs: whole, list: playbooks, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		p.playbook(f, c.RelatedPlaybookID)
	}), cost: playbooksBelow},
	"Conversation.transcript": {needs: identity, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		await(p, f, nothing, p.Transcripts, c.ID, ignore)
	}), cost: func(e *estimate, from group, f *field) { e.read(from, "transcript"+from.name, from.number) }},

	"Message.author": {needs: whole, list: users, follow: from(func(p *planner, m *drift.Message, f *field) {
		switch m.Author.Type {
		case drift.AuthorContact:
			p.contact(f, m.Author.ID)
		case drift.AuthorUser:
			p.users(f, m.Author.ID)
		}
	}), cost: (*estimate).author},
	"Message.conversation": {needs: identity, follow: from(func(p *planner, m *drift.Message, f *field) {
		p.conversation(f, m.ConversationID)
	}), cost: func(e *estimate, from group, f *field) { e.meet(f, relay.Conversation, *from.of, identity) }},

	"Query.account": {needs: identity, follow: root(func(p *planner, f *field) {
		if id, err := relay.AccountID(f.args.id("id")); err == nil {
			find(p, f, relay.Account, &drift.Account{ID: id}, p.Accounts, id)
		}
	}), cost: func(e *estimate, from group, f *field) {
		if id, err := relay.AccountID(f.args.id("id")); err == nil {
			e.find(from, f, relay.Account, id)
		}
	}},
	"Query.accountByDomain": {needs: identity, list: accounts, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.AccountDirectory, All{}, func(d *AccountDirectory) {
			if a := d.ByDomain(f.args.id("domain")); a != nil {
				p.visit(f.children[relay.Account], a, nothing, whole)
			}
		})
	}), cost: accountsBelow},
	"Query.accounts": {needs: identity, many: true, list: accounts, when: filtered, follow: root(func(p *planner, f *field) {
		owner, w, err := accountsOf(f)
		if err != nil || w.First == 0 {
			return
		}
		if !p.InDirectory() {
			drive(p, f, p.AccountPages, Accounts(w), 0, func(a *drift.Account) {
				p.visit(f.children[relay.Account], a, nothing, whole)
			})
			return
		}
		await(p, f, nothing, p.AccountDirectory, All{}, func(d *AccountDirectory) {
			met(p, f, relay.Account, relay.Slice(d.Select(f.args.boolean("targeted"), owner), (*drift.Account).Ref, w))
		})
	}), cost: func(e *estimate, from group, f *field) {
		_, w, err := accountsOf(f)
		if err != nil || w.First == 0 {
			return
		}
		if e.plan.lists[accounts] {
			e.list(from, accounts)
		} else {
			pages := exactly(w.First).pagesOf(drift.MaxAccounts)
			e.read(from, fmt.Sprintf("accounts %d+%d", w.Offset(), w.First), pages)
		}
		e.whole(f, relay.Account, below(from, f, exactly(w.First)))
	}},
	"Account.owner": {needs: whole, list: users, follow: from(func(p *planner, a *drift.Account, f *field) {
		p.users(f, a.OwnerID)
	}), cost: usersBelow},

	"Query.teams": {needs: identity, many: true, list: teams, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.Teams, All{}, func(list []*drift.Team) { visitAll(p, f, relay.Team, list) })
	}), cost: func(e *estimate, from group, f *field) {
		e.list(from, teams)
		e.whole(f, relay.Team, below(from, f, number{assumedTeams, unbounded}))
	}},
	"Team.members": {needs: whole, many: true, list: users, follow: from(func(p *planner, t *drift.Team, f *field) {
		p.users(f, t.Members...)
	}), cost: func(e *estimate, from group, f *field) {
		e.users(from, f, from.times(number{assumedParticipants, unbounded}))
	}},
	"Team.owner": {needs: whole, list: users, follow: from(func(p *planner, t *drift.Team, f *field) {
		p.users(f, t.Owner)
	}), cost: usersBelow},

	"Query.playbooks": {needs: identity, many: true, list: playbooks, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.Playbooks, All{}, func(list []*drift.Playbook) { visitAll(p, f, relay.Playbook, list) })
	}), cost: func(e *estimate, from group, f *field) {
		e.list(from, playbooks)
		e.whole(f, relay.Playbook, below(from, f, number{assumedPlaybooks, unbounded}))
	}},
	"Playbook.createdBy": {needs: whole, list: users, follow: from(func(p *planner, b *drift.Playbook, f *field) {
		p.users(f, b.CreatedAuthorID)
	}), cost: usersBelow},
	"Playbook.updatedBy": {needs: whole, list: users, follow: from(func(p *planner, b *drift.Playbook, f *field) {
		p.users(f, b.UpdatedAuthorID)
	}), cost: usersBelow},
	"Query.landingPages": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		await(p, f, nothing, p.LandingPages, All{}, func(list []*drift.LandingPage) { visitAll(p, f, "LandingPage", list) })
	}), cost: func(e *estimate, from group, f *field) {
		e.read(from, "landing pages", exactly(1))
		e.whole(f, "LandingPage", below(from, f, number{assumedPlaybooks, unbounded}))
	}},
	"LandingPage.playbook": {needs: whole, list: playbooks, follow: from(func(p *planner, l *drift.LandingPage, f *field) {
		p.playbook(f, l.PlaybookID)
	}), cost: playbooksBelow},

	"Query.meetings": {needs: identity, many: true, follow: root(func(p *planner, f *field) {
		p.meetings(f, func(*drift.Meeting) bool { return true })
	}), cost: (*estimate).meetings},
	"Meeting.agent": {needs: whole, list: users, follow: from(func(p *planner, m *drift.Meeting, f *field) {
		p.users(f, m.AgentID)
	}), cost: usersBelow},
	"Meeting.bookedBy": {needs: whole, list: users, follow: from(func(p *planner, m *drift.Meeting, f *field) {
		p.users(f, m.BookedBy)
	}), cost: usersBelow},
	"Meeting.scheduler": {needs: whole, follow: from(func(p *planner, m *drift.Meeting, f *field) {
		p.contact(f, m.SchedulerID)
	}), cost: func(e *estimate, from group, f *field) { e.meet(f, relay.Contact, contactOf(from), identity) }},
	"Meeting.conversation": {needs: whole, follow: from(func(p *planner, m *drift.Meeting, f *field) {
		p.conversation(f, m.ConversationID)
	}), cost: conversationBelow},

	"Mutation.createContact":        change(once),
	"Mutation.updateContact":        change(once),
	"Mutation.deleteContact":        change(once),
	"Mutation.unsubscribeEmails":    change(once),
	"Mutation.createTimelineEvent":  change(once),
	"Mutation.startConversation":    change(once),
	"Mutation.sendMessage":          change(once),
	"Mutation.updateUser":           change(once),
	"Mutation.createAccount":        change(once),
	"Mutation.updateAccount":        change(readFirst),
	"Mutation.deleteAccount":        change(once),
	"Mutation.requestDataRetrieval": change(once),
	"Mutation.requestDataDeletion":  change(func(*field) number { return number{3, 1 + 2*mostEmailPages} }),

	"CreateContactPayload.contact": changed[drift.Contact](relay.Contact),
	"UpdateContactPayload.contact": changed[drift.Contact](relay.Contact),
	"UpdateUserPayload.user":       changed[drift.User](relay.User),
	"CreateAccountPayload.account": changed[drift.Account](relay.Account),
	"UpdateAccountPayload.account": changed[drift.Account](relay.Account),
	"SendMessagePayload.message":   changed[drift.Message](relay.Message),
	"CreateTimelineEventPayload.contact": {needs: identity, follow: from(func(p *planner, event *drift.TimelineEvent, f *field) {
		p.contact(f, event.ContactID)
	}), cost: func(e *estimate, from group, f *field) {
		e.meet(f, relay.Contact, below(from, f, exactly(1)), identity)
	}},
	"StartConversationPayload.conversation": {needs: identity, follow: from(func(p *planner, c *drift.Conversation, f *field) {
		p.conversation(f, c.ID)
	}), cost: conversationBelow},
}

// change makes the link of a mutation, which takes so many calls. What follows
// on it is planned when it has been made.
func change(calls func(*field) number) *link {
	return &link{needs: identity, follow: func(*planner, any, *field) {}, cost: func(e *estimate, from group, f *field) {
		e.read(from, "change", calls(f))
		for _, payload := range f.children {
			e.visit(payload, below(from, f, exactly(1)), nothing, whole)
		}
	}}
}

func once(*field) number { return exactly(1) }

// readFirst is for a mutation that reads the account if its owner is not given.
func readFirst(f *field) number {
	if input, _ := f.args["input"].(map[string]any); input["ownerId"] == nil {
		return exactly(2)
	}
	return exactly(1)
}

// changed makes the link from a payload to the changed object, the whole of
// which came with Drift's answer.
func changed[T any](typ string) *link {
	return &link{needs: identity, follow: from(func(p *planner, object *T, f *field) {
		p.visit(f.children[typ], object, nothing, whole)
	}), cost: func(e *estimate, from group, f *field) {
		g := below(from, f, exactly(1))
		g.of = &group{number: g.number, name: g.name + ".of"} // of a message, the conversation
		e.whole(f, typ, g)
	}}
}

// conversationsOf returns the walk of a field that leads to conversations.
func conversationsOf(f *field) (*ConversationWalk, error) {
	return Conversations(wire[drift.ConversationStatus](f.args, "status"), f.args.integer("first"), f.args.text("after"))
}

// reportOf returns the report that a field asks for.
func reportOf(f *field) (Report, error) {
	input, _ := f.args["input"].(map[string]any)
	return parseReport(input)
}

// usersOf returns what a field asks of the list of users.
func usersOf(f *field) (UserFilter, relay.Window, error) {
	filter := UserFilter{
		Availability: drift.UserAvailability(f.args.id("availability")),
		Role:         drift.UserRole(strings.ToLower(f.args.id("role"))),
		Bot:          f.args.boolean("isBot"),
	}
	w, err := UserWindow(filter, f.args.integer("first"), f.args.text("after"))
	return filter, w, err
}

// accountsOf returns what a field asks of the list of accounts: those of which
// owner, 0 for any, and the part.
func accountsOf(f *field) (drift.ID, relay.Window, error) {
	owner, err := OwnerID(f.args.text("ownerId"))
	if err != nil {
		return 0, relay.Window{}, err
	}
	w, err := AccountWindow(f.args.boolean("targeted"), owner, f.args.integer("first"), f.args.text("after"))
	return owner, w, err
}

// messagesOf returns the walk of a field that leads to messages, of a
// conversation that is not known yet if it is 0.
func messagesOf(conversation drift.ID, f *field) (*MessageWalk, error) {
	return Messages(conversation, MessageArgs{
		First: f.args.integer("first"), After: f.args.text("after"),
		Last: f.args.integer("last"), Before: f.args.text("before"),
		Types: wire[drift.MessageType](f.args, "types"),
	})
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

// drive reads the pages of a walk one after the other, after those that are read,
// then visits what it found. What it may not read it leaves to the resolver to tell.
func drive[K comparable, P any, T any](p *planner, f *field, pages *Loader[K, P], w walk[K, P, T], read int, visit func(T)) {
	key, more := w.next()
	if more {
		if read == w.most() {
			return
		}
		await(p, f, nothing, pages, key, func(page P) {
			w.add(page)
			drive(p, f, pages, w, read+1, visit)
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
	if err != nil || f.children[n.Type] == nil { // the caller may not read what it is
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
		drive(p, f, p.MessagePages, FindMessage(n.Parent, n.ID), 0, func(m *drift.Message) {
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
	if p.plan.lists[users] && p.plan.typ == "Mutation" && f.link.reads(f) { // a query has asked for the list as it began
		ask(p, f, whole, p.UserList, All{}, ignore)
	}
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
