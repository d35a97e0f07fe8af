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
	Accounts      []string
	Meetings      bool
}

// Drop forgets, on all replicas, the records that a change is of, and the lists
// that may hold them. Nothing that began to be read before fills the cache
// afterwards, so whoever reads once Drop has returned reads what Drift has now.
// Its error, cache.ErrNotTold, says that other replicas may answer what they
// have until its time is over.
func (s *Source) Drop(c Change) error {
	var failures []error
	did := func(err error) { failures = append(failures, err) }
	if len(c.Contacts) > 0 {
		did(s.store.contacts.Drop(s.tenant, c.Contacts...))
	}
	if len(c.Conversations) > 0 {
		did(s.store.conversations.Drop(s.tenant, c.Conversations...))
		did(s.store.transcripts.Drop(s.tenant, c.Conversations...))
		did(s.store.conversationStats.Drop(s.tenant, All{}))
		for _, id := range c.Conversations {
			did(s.store.messagePages.Drop(s.tenant, s.messagePagesOf(id)...))
		}
	}
	if len(c.Users) > 0 {
		did(s.store.users.Drop(s.tenant, c.Users...))
		did(s.store.userList.Drop(s.tenant, All{}))
	}
	if len(c.Accounts) > 0 {
		did(s.store.accounts.Drop(s.tenant, c.Accounts...))
		did(s.store.accountDirectory.Drop(s.tenant, All{}))
	}
	if errors.Join(failures...) != nil {
		return cache.ErrNotTold
	}
	return nil
}
