package loaders

import (
	"context"
	"errors"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
)

// Writes change records in Drift for one operation, one after another. Each is
// sent once, whatever comes of it. Before a method returns, what it may have
// changed is forgotten on all replicas and by the operation's own loaders, also
// when it failed: a call whose answer was lost may have been carried out.
type Writes struct {
	source  *Source
	loaders *Loaders
	ctx     context.Context // of the operation
}

// A touch is what a write may have changed. In its Change, the zero id is a
// record whose id is not known: the lists that may hold it are dropped.
type touch struct {
	Change
	emails      []string // by which the contacts are found
	externalIDs []string // by which the contacts are found
}

// write makes one change. The context is that of the field that asks for it.
// The answer is given to seed, nil for none, when all else has been forgotten,
// and what the field's selection needs of it is read ahead.
func write[V any](ctx context.Context, w *Writes, call func(context.Context) (V, error), touched func(V) touch, seed func(V)) (V, error) {
	v, steps, err := send(w, call)
	w.forget(touched(v))
	if err == nil && seed != nil {
		seed(v)
		w.loaders.planPayload(ctx, v, steps)
	}
	return v, err
}

// send makes a call that counts as the operation's own, and returns the steps
// of the plan that it took. A write goes on for as long as the operation may
// last, even if the client does not wait: so its outcome is known.
func send[V any](w *Writes, call func(context.Context) (V, error)) (V, []int, error) {
	if err := w.ctx.Err(); err != nil {
		var none V
		return none, nil, err
	}
	ctx := context.WithoutCancel(w.ctx)
	if deadline, ok := w.ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	r := w.loaders.recorder
	r.naive()
	t := &trace{recorder: r}
	v, err := call(context.WithValue(drift.WithPlace(ctx, &r.lane, 0), traceKey{}, t))
	return v, t.steps, err
}

// forget drops what was touched from the cache, and everything from the
// operation's loaders. That other replicas could not be told is made up for by
// the cache, which logs it.
func (w *Writes) forget(t touch) {
	s := w.source
	_ = s.Drop(t.Change)
	if len(t.emails) > 0 {
		_ = s.store.contactsByEmail.Drop(s.tenant, s.privates(t.emails)...)
	}
	if len(t.externalIDs) > 0 {
		_ = s.store.contactsByExtID.Drop(s.tenant, s.privates(t.externalIDs)...)
	}
	w.loaders.forget()
}

// privates names records by keyed hashes.
func (s *Source) privates(texts []string) []string {
	hashes := make([]string, len(texts))
	for i, text := range texts {
		hashes[i] = s.private(text)
	}
	return hashes
}

// forget has the loaders read anew what they are asked for from now on.
func (l *Loaders) forget() {
	for _, loader := range []interface{ forget() }{
		l.Contacts, l.ContactsByEmail, l.ContactsByExternalID, l.ContactConversations, l.ContactAttributes,
		l.Users, l.UserList, l.Conversations, l.ConversationPages, l.ConversationStats, l.MessagePages, l.Transcripts,
		l.Reports, l.Accounts, l.AccountPages, l.AccountDirectory, l.Teams, l.Playbooks, l.LandingPages, l.Meetings, l.TokenInfo,
	} {
		loader.forget()
	}
}

// forget has the loader read anew what it is asked for from now on.
func (l *Loader[K, V]) forget() { l.batches.ClearAll() }

// seed gives the loader a record that the operation has already. The loader has
// not been asked for it since it last forgot.
func (l *Loader[K, V]) seed(key K, v V) {
	l.batches.Prime(l.ctx, key, cache.Resolved(v, cache.Network))
}

// contactTouch is the touch of a contact, nil if its id is not known.
func contactTouch(c *drift.Contact, emails, externalIDs []string) touch {
	t := touch{Change: Change{Contacts: []drift.ID{0}}, emails: emails, externalIDs: externalIDs}
	if c != nil {
		t.Contacts[0] = c.ID
		if c.Email != nil {
			t.emails = append(t.emails, *c.Email)
		}
		if c.ExternalID != nil {
			t.externalIDs = append(t.externalIDs, *c.ExternalID)
		}
	}
	return t
}

// some returns a list of a text, or none if it is blank.
func some(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func (w *Writes) seedContact(c *drift.Contact) { w.loaders.Contacts.seed(c.ID, c) }
func (w *Writes) seedUser(u *drift.User)       { w.loaders.Users.seed(u.ID, u) }
func (w *Writes) seedAccount(a *drift.Account) { w.loaders.Accounts.seed(a.ID, a) }

// CreateContact makes a contact.
func (w *Writes) CreateContact(ctx context.Context, c drift.NewContact) (*drift.Contact, error) {
	return write(ctx, w, func(ctx context.Context) (*drift.Contact, error) {
		return w.source.api.CreateContact(ctx, c)
	}, func(made *drift.Contact) touch {
		return contactTouch(made, some(c.Email), some(c.ExternalID))
	}, w.seedContact)
}

// UpdateContact sets attributes, an object, of a contact, whom either the id or
// the external id names; the other one is zero.
func (w *Writes) UpdateContact(ctx context.Context, id drift.ID, externalID string, attributes []byte) (*drift.Contact, error) {
	return write(ctx, w, func(ctx context.Context) (*drift.Contact, error) {
		if id == 0 {
			return w.source.api.UpdateContactByExternalID(ctx, externalID, attributes)
		}
		return w.source.api.UpdateContact(ctx, id, attributes)
	}, func(updated *drift.Contact) touch {
		t := contactTouch(updated, nil, some(externalID))
		if updated == nil {
			t.Contacts[0] = id
		}
		return t
	}, w.seedContact)
}

// DeleteContact takes a contact out of all lists.
func (w *Writes) DeleteContact(ctx context.Context, id drift.ID) error {
	_, err := write(ctx, w, func(ctx context.Context) (none struct{}, err error) {
		return none, w.source.api.DeleteContact(ctx, id)
	}, func(struct{}) touch {
		return touch{Change: Change{Contacts: []drift.ID{id}}}
	}, nil)
	return err
}

// UnsubscribeEmails has Drift send no more marketing mails to the addresses.
func (w *Writes) UnsubscribeEmails(ctx context.Context, emails []string) error {
	_, err := write(ctx, w, func(ctx context.Context) (none struct{}, err error) {
		return none, w.source.api.UnsubscribeEmails(ctx, emails)
	}, func(struct{}) touch {
		return touch{Change: Change{Contacts: []drift.ID{0}}, emails: emails}
	}, nil)
	return err
}

// CreateTimelineEvent notes that something happened to a contact.
func (w *Writes) CreateTimelineEvent(ctx context.Context, event drift.NewTimelineEvent) (*drift.TimelineEvent, error) {
	return write(ctx, w, func(ctx context.Context) (*drift.TimelineEvent, error) {
		return w.source.api.CreateTimelineEvent(ctx, event)
	}, func(made *drift.TimelineEvent) touch {
		t := touch{Change: Change{Contacts: []drift.ID{event.ContactID}}, externalIDs: some(event.ExternalID)}
		if made != nil {
			t.Contacts[0] = made.ContactID
		}
		return t
	}, func(*drift.TimelineEvent) {})
}

// StartConversation starts a conversation. What is returned of it is not the
// whole.
func (w *Writes) StartConversation(ctx context.Context, c drift.NewConversation) (*drift.Conversation, error) {
	return write(ctx, w, func(ctx context.Context) (*drift.Conversation, error) {
		return w.source.api.StartConversation(ctx, c)
	}, func(started *drift.Conversation) touch {
		t := touch{Change: Change{Conversations: []drift.ID{0}, Contacts: []drift.ID{0}}, emails: some(c.Email)}
		if started != nil {
			t.Conversations[0], t.Contacts[0] = started.ID, started.ContactID
		}
		return t
	}, func(*drift.Conversation) {})
}

// SendMessage adds a message to a conversation.
func (w *Writes) SendMessage(ctx context.Context, conversation drift.ID, m drift.NewMessage) (*drift.Message, error) {
	return write(ctx, w, func(ctx context.Context) (*drift.Message, error) {
		return w.source.api.SendMessage(ctx, conversation, m)
	}, func(*drift.Message) touch {
		return touch{Change: Change{Conversations: []drift.ID{conversation}, Contacts: w.source.contactsOf(conversation)}}
	}, func(*drift.Message) {})
}

// contactsOf returns the contact whom a conversation is with, if the cache knows:
// when somebody last wrote to them has changed.
func (s *Source) contactsOf(conversation drift.ID) []drift.ID {
	c := s.store.conversations.Known(s.tenant, conversation)
	if c == nil || c.ContactID == 0 {
		return nil
	}
	return []drift.ID{c.ContactID}
}

// UpdateUser changes a user.
func (w *Writes) UpdateUser(ctx context.Context, id drift.ID, changes drift.UserChanges) (*drift.User, error) {
	return write(ctx, w, func(ctx context.Context) (*drift.User, error) {
		return w.source.api.UpdateUser(ctx, id, changes)
	}, func(*drift.User) touch {
		return touch{Change: Change{Users: []drift.ID{id}}}
	}, w.seedUser)
}

// accountTouch is the touch of an account, "" if its id is not known.
func accountTouch(id string) touch { return touch{Change: Change{Accounts: []string{id}}} }

// CreateAccount makes an account.
func (w *Writes) CreateAccount(ctx context.Context, a drift.NewAccount) (*drift.Account, error) {
	return write(ctx, w, func(ctx context.Context) (*drift.Account, error) {
		return w.source.api.CreateAccount(ctx, a)
	}, func(made *drift.Account) touch {
		if made == nil {
			return accountTouch("")
		}
		return accountTouch(made.ID)
	}, w.seedAccount)
}

// UpdateAccount changes an account. Drift wants an owner with each change, so
// without one the account is read first: from Drift, since an owner out of the
// cache may be the one before.
func (w *Writes) UpdateAccount(ctx context.Context, id string, changes drift.AccountChanges) (*drift.Account, error) {
	if changes.OwnerID == 0 {
		known, _, err := send(w, func(ctx context.Context) (*drift.Account, error) { return w.source.api.Account(ctx, id) })
		if err != nil {
			return nil, err
		}
		changes.OwnerID = known.OwnerID
	}
	return write(ctx, w, func(ctx context.Context) (*drift.Account, error) {
		return w.source.api.UpdateAccount(ctx, id, changes)
	}, func(updated *drift.Account) touch {
		t := accountTouch(id)
		if updated != nil && updated.ID != id {
			t.Accounts = append(t.Accounts, updated.ID)
		}
		return t
	}, w.seedAccount)
}

// DeleteAccount takes an account off the list.
func (w *Writes) DeleteAccount(ctx context.Context, id string) error {
	_, err := write(ctx, w, func(ctx context.Context) (none struct{}, err error) {
		return none, w.source.api.DeleteAccount(ctx, id)
	}, func(struct{}) touch { return accountTouch(id) }, nil)
	return err
}

// RequestDataRetrieval has Drift mail all that it knows of a person.
func (w *Writes) RequestDataRetrieval(ctx context.Context, email string) (*drift.DataRequest, error) {
	return write(ctx, w, func(ctx context.Context) (*drift.DataRequest, error) {
		return w.source.api.RequestDataRetrieval(ctx, email)
	}, func(*drift.DataRequest) touch { return touch{} }, nil)
}

// RequestDataDeletion has Drift forget a person, and forgets the person. Drift
// tells of nobody once it has, so it is asked who it is before.
func (w *Writes) RequestDataDeletion(ctx context.Context, email string) (*drift.DataRequest, error) {
	p := newPerson(email)
	if _, _, err := send(w, func(ctx context.Context) (none struct{}, err error) {
		return none, w.source.lookUp(ctx, p)
	}); err != nil {
		return nil, err
	}
	made, _, err := send(w, func(ctx context.Context) (*drift.DataRequest, error) {
		return w.source.api.RequestDataDeletion(ctx, email)
	})
	if err == nil || errors.Is(err, drift.ErrOutcomeUnknown) {
		_ = w.source.purge(p)
		w.loaders.forget()
		if w.source.others != nil {
			w.source.others(p.told())
		}
	}
	return made, err
}
