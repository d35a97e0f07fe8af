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

// Drop forgets, on all replicas, the records that a change is of, and the lists
// and texts that may hold them. Nothing that began to be read before fills the
// cache afterwards, so whoever reads once Drop has returned reads what Drift has now.
// Its error, cache.ErrNotTold, says that other replicas may answer what they
// have until its time is over.
func (s *Source) Drop(c Change) error {
	var failures []error
	did := func(err error) { failures = append(failures, err) }
	// Lists go first: records are read out of some of them.
	if len(c.Contacts) > 0 {
		did(s.store.contactsByEmail.DropGroup(s.tenant, everything))
		did(s.store.contactsByExtID.DropGroup(s.tenant, everything))
		did(s.store.contacts.Drop(s.tenant, c.Contacts...))
	}
	if len(c.Contacts) > 0 || len(c.Users) > 0 {
		did(s.store.transcripts.DropGroup(s.tenant, everything)) // they name who wrote
	}
	if len(c.Conversations) > 0 {
		pages := make([]string, len(c.Conversations))
		for i, id := range c.Conversations {
			pages[i] = MessagePage{Conversation: id}.group()
		}
		did(s.store.conversationPages.DropGroup(s.tenant, everything))
		did(s.store.contactThreads.DropGroup(s.tenant, everything))
		did(s.store.reports.DropGroup(s.tenant, everything))
		did(s.store.conversationStats.Drop(s.tenant, All{}))
		did(s.store.messagePages.DropGroup(s.tenant, pages...))
		did(s.store.transcripts.Drop(s.tenant, c.Conversations...))
		did(s.store.conversations.Drop(s.tenant, c.Conversations...))
	}
	if len(c.Users) > 0 {
		did(s.store.userList.Drop(s.tenant, All{}))
		did(s.store.teams.Drop(s.tenant, All{}))
		did(s.store.users.Drop(s.tenant, c.Users...))
	}
	if len(c.Accounts) > 0 {
		did(s.store.accountDirectory.Drop(s.tenant, All{}))
		did(s.store.accountPages.DropGroup(s.tenant, everything))
		did(s.store.accounts.Drop(s.tenant, c.Accounts...))
	}
	if c.Meetings {
		did(s.store.meetings.DropGroup(s.tenant, everything))
	}
	if errors.Join(failures...) != nil {
		return cache.ErrNotTold
	}
	return nil
}
