package loaders

import (
	"errors"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
)

// A Change names what has changed in Drift, so that what is kept of it no longer
// holds.
type Change struct {
	Contacts      []drift.ID // also created and deleted ones
	Conversations []drift.ID // also new ones, and those with new messages
	Users         []drift.ID
	Accounts      []string // also created and deleted ones
	Meetings      bool
}

// Add adds another change.
func (c *Change) Add(other Change) {
	c.Contacts = withAll(c.Contacts, other.Contacts...)
	c.Conversations = withAll(c.Conversations, other.Conversations...)
	c.Users = withAll(c.Users, other.Users...)
	c.Accounts = withAll(c.Accounts, other.Accounts...)
	c.Meetings = c.Meetings || other.Meetings
}

// ShareChanges has changes that are made by the source forgotten by all who may
// see what it sees, the source among them; and persons whom it has Drift forget,
// by the others.
func (s *Source) ShareChanges(drop func(Change) error, purge func(Person)) {
	s.drop, s.others = drop, purge
}

// Len returns how many records it names.
func (c *Change) Len() int {
	return len(c.Contacts) + len(c.Conversations) + len(c.Users) + len(c.Accounts)
}

// Drop forgets a change for all who may see what the source sees, as Store.Drop does.
func (s *Source) Drop(c Change) error {
	if s.drop != nil {
		return s.drop(c)
	}
	return s.store.Drop(s.tenant, c)
}

// Drop forgets, on all replicas, the records of a tenant that a change is of, and
// the lists and texts that may hold them. Nothing that began to be read before fills the
// cache afterwards, so whoever reads once Drop has returned reads what Drift has now.
// Its error, cache.ErrNotTold, says that other replicas may answer what they
// have until its time is over.
func (s *Store) Drop(t cache.Tenant, c Change) error {
	var failures []error
	did := func(err error) { failures = append(failures, err) }
	// Lists go first: records are read out of some of them.
	if len(c.Contacts) > 0 {
		did(s.contactsByEmail.DropGroup(t, everything))
		did(s.contactsByExtID.DropGroup(t, everything))
		did(s.contacts.Drop(t, c.Contacts...))
	}
	if len(c.Contacts) > 0 || len(c.Users) > 0 {
		did(s.transcripts.DropGroup(t, everything)) // they name who wrote
	}
	if len(c.Conversations) > 0 {
		pages := make([]string, len(c.Conversations))
		for i, id := range c.Conversations {
			pages[i] = MessagePage{Conversation: id}.group()
		}
		did(s.conversationPages.DropGroup(t, everything))
		did(s.contactThreads.DropGroup(t, everything))
		did(s.reports.DropGroup(t, everything))
		did(s.conversationStats.Drop(t, All{}))
		did(s.messagePages.DropGroup(t, pages...))
		did(s.transcripts.Drop(t, c.Conversations...))
		did(s.conversations.Drop(t, c.Conversations...))
	}
	if len(c.Users) > 0 {
		did(s.userList.Drop(t, All{}))
		did(s.teams.Drop(t, All{}))
		did(s.users.Drop(t, c.Users...))
	}
	if len(c.Accounts) > 0 {
		did(s.accountDirectory.Drop(t, All{}))
		did(s.accountPages.DropGroup(t, everything))
		did(s.accounts.Drop(t, c.Accounts...))
	}
	if c.Meetings {
		did(s.meetings.DropGroup(t, everything))
	}
	if errors.Join(failures...) != nil {
		return cache.ErrNotTold
	}
	return nil
}
