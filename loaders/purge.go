package loaders

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
)

// defaultTombstone is how long a person who was forgotten is not read again, if
// SetTombstone does not say otherwise.
const defaultTombstone = 24 * time.Hour

// A purge whose tombstone is younger than youngTombstone is not made again by
// Purge.
const youngTombstone = 10 * time.Minute

// purgePauses is how long Purge waits before it asks Drift again who a person is.
var purgePauses = [...]time.Duration{time.Second, 5 * time.Second, 20 * time.Second}

// SetTombstone sets for how long persons who were forgotten are not read again.
// It is for before the first operation.
func (s *Store) SetTombstone(life time.Duration) { s.tombstone = life }

// A person is somebody who is to be forgotten: the contacts who have the e-mail
// address, and what is known of theirs.
type person struct {
	emails        []string
	contacts      []drift.ID
	externalIDs   []string
	conversations []drift.ID
	unseen        bool // other replicas or Redis may hold contacts with the address that are not known
}

// A Person is somebody who was looked up to be forgotten, as far as is known.
type Person struct{ known person }

// Add adds what is known of the same person by another source.
func (p *Person) Add(other Person) {
	p.known.emails = withAll(p.known.emails, other.known.emails...)
	p.known.contacts = withAll(p.known.contacts, other.known.contacts...)
	p.known.externalIDs = withAll(p.known.externalIDs, other.known.externalIDs...)
	p.known.conversations = withAll(p.known.conversations, other.known.conversations...)
}

// told returns what others may be told of a person.
func (p *person) told() (known Person) {
	known.Add(Person{*p})
	return known
}

// PurgeKnown forgets a person whom another source has looked up. Drift is not asked.
func (s *Source) PurgeKnown(ctx context.Context, known Person) error {
	p := known.known.told().known
	if len(p.emails) == 0 {
		return nil
	}
	s.forgetContacts(ctx, &p)
	return s.purge(&p)
}

// Wipe forgets all that is kept of a tenant whose credential is not at hand, and
// with that a person, of whom it buries what can be without it: the contacts and
// conversations that are known of another source.
func (s *Store) Wipe(ctx context.Context, t cache.Tenant, known Person) error {
	p := known.known
	pages := make([]string, len(p.conversations))
	for i, id := range p.conversations {
		pages[i] = MessagePage{Conversation: id}.group()
	}
	return errors.Join(
		s.contacts.Bury(t, s.tombstone, p.contacts...),
		s.contactThreads.Bury(t, s.tombstone, p.contacts...),
		s.conversations.Bury(t, s.tombstone, p.conversations...),
		s.transcripts.Bury(t, s.tombstone, p.conversations...),
		s.messagePages.BuryGroup(t, s.tombstone, pages...),
		s.Drop(t, Change{Contacts: []drift.ID{0}, Conversations: []drift.ID{0}, Meetings: true}),
		s.cache.Wipe(ctx, t),
	)
}

func newPerson(email string) *person {
	p := new(person)
	p.addEmail(email)
	return p
}

func (p *person) addEmail(email string) {
	p.emails = withAll(p.emails, email, strings.ToLower(email))
}

// add adds contacts of the person.
func (p *person) add(found []*drift.Contact) {
	for _, c := range found {
		p.contacts = withAll(p.contacts, c.ID)
		if c.Email != nil {
			p.addEmail(*c.Email)
		}
		if c.ExternalID != nil {
			p.externalIDs = withAll(p.externalIDs, *c.ExternalID)
		}
	}
}

// withAll returns a list with the values that it lacks.
func withAll[T comparable](list []T, values ...T) []T {
	for _, v := range values {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// lookUp adds to a person what Drift, and failing that the cache, knows of them:
// the contacts with the address, then the conversations with these. Nothing of it
// is kept. A token that may not read contacts or reports has brought none.
func (s *Source) lookUp(ctx context.Context, p *person) error {
	found, err := s.listContacts(ctx, p.emails[0])
	if err != nil && !errors.Is(err, drift.ErrForbidden) {
		return err
	}
	p.add(found)
	s.forgetContacts(ctx, p)
	if len(p.contacts) == 0 {
		return nil
	}
	ids, err := s.conversationsWith(ctx, p.contacts)
	if err != nil && !errors.Is(err, drift.ErrForbidden) {
		return err
	}
	p.conversations = withAll(p.conversations, ids...)
	return nil
}

// forgetContacts drops what the cache holds of contacts with the address of a
// person, wherever it is, and adds them to the person.
func (s *Source) forgetContacts(ctx context.Context, p *person) {
	found, err := s.store.contacts.DropTrait(ctx, s.tenant, trait(s.secret, p.emails[0]))
	p.unseen = err != nil
	p.add(found)
}

// trait names the contacts with an e-mail address, in any case.
func trait(secret []byte, email string) string { return hashOf(secret, strings.ToLower(email)) }

// conversationsWith returns the ids of all conversations with some contacts.
func (s *Source) conversationsWith(ctx context.Context, contacts []drift.ID) ([]drift.ID, error) {
	var mu sync.Mutex
	var ids []drift.ID
	var failure error
	err := s.contactConversations(ctx, contacts, func(_ drift.ID, found []*drift.Conversation, err error) {
		mu.Lock()
		defer mu.Unlock()
		failure = errors.Join(failure, err)
		for _, c := range found {
			ids = append(ids, c.ID)
		}
	})
	return ids, errors.Join(failure, err)
}

// purge forgets what is known of a person in both tiers of all replicas, with all
// lists that may tell of them, and keeps it from coming back as long as the
// tombstone stands: a contact, a conversation and what hangs off them is then
// absent, and is left out of lists. Its error is cache.ErrNotTold.
func (s *Source) purge(p *person) error {
	store, life := s.store, s.store.tombstone
	pages := make([]string, len(p.conversations))
	for i, id := range p.conversations {
		pages[i] = MessagePage{Conversation: id}.group()
	}
	// Who is buried comes into no list that is read from now on, so lists go last.
	err := errors.Join(
		store.contacts.Bury(s.tenant, life, p.contacts...),
		store.contactsByExtID.Bury(s.tenant, life, s.privates(p.externalIDs)...),
		store.contactsByEmail.Bury(s.tenant, life, s.privates(p.emails)...),
		store.contactThreads.Bury(s.tenant, life, p.contacts...),
		store.conversations.Bury(s.tenant, life, p.conversations...),
		store.transcripts.Bury(s.tenant, life, p.conversations...),
		store.messagePages.BuryGroup(s.tenant, life, pages...),
		store.Drop(s.tenant, Change{Contacts: []drift.ID{0}, Conversations: []drift.ID{0}, Meetings: true}),
	)
	if err != nil || p.unseen {
		return cache.ErrNotTold
	}
	return nil
}

// Purge forgets a person because Drift has been asked to. What is known of them
// is forgotten at once; then Drift is asked who they are, a few times if it cannot
// answer, until ctx ends. For some minutes after a purge another one of the same
// address does nothing, unless one has failed, so that the same event told often
// costs what one costs. It returns what is known of the person.
func (s *Source) Purge(ctx context.Context, email string) (Person, error) {
	p := newPerson(email)
	key, failed := s.private(email), s.private("failed\n"+email) // which is no address
	buried := s.store.contactsByEmail.Buried(ctx, s.tenant, key, failed)
	if _, again := buried[failed]; !again && time.Since(buried[key]) < youngTombstone {
		return Person{}, nil
	}
	fail := func(err error) error {
		_ = s.store.contactsByEmail.Bury(s.tenant, youngTombstone, failed)
		return err
	}
	asking := context.WithoutCancel(ctx)
	s.forgetContacts(asking, p)
	_ = s.purge(p)
	for tried := 0; ; tried++ {
		err := s.lookUp(asking, p)
		told := s.purge(p)
		if err == nil && told == nil {
			return p.told(), nil
		}
		if tried == len(purgePauses) || err != nil && !Fallback(err) {
			return p.told(), fail(errors.Join(err, told))
		}
		select {
		case <-s.after(purgePauses[tried]):
		case <-ctx.Done():
			return p.told(), fail(errors.Join(err, told))
		}
	}
}

// withoutBuried returns a list without the entries that are of a record that is
// buried.
func withoutBuried[K comparable, V, E any](ctx context.Context, s *Source, kind *cache.Kind[K, V], list []E, of func(E) K) []E {
	keys := make([]K, 0, len(list))
	var none K
	for _, e := range list {
		if key := of(e); key != none {
			keys = append(keys, key)
		}
	}
	buried := kind.Buried(ctx, s.tenant, keys...)
	if len(buried) == 0 {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(e E) bool {
		_, is := buried[of(e)]
		return is
	})
}
