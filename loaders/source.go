package loaders

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/redact"
	"github.com/driftgraph/driftgraph/relay"
)

// A TTL says how long each kind of record is kept. Every one must be more
// than 0.
type TTL struct {
	Contact            time.Duration
	User               time.Duration
	Conversation       time.Duration
	ConversationList   time.Duration
	ConversationStats  time.Duration
	ConversationReport time.Duration
	Message            time.Duration
	Account            time.Duration
	Team               time.Duration
	Playbook           time.Duration
	Meeting            time.Duration
	ContactAttribute   time.Duration
	Viewer             time.Duration
}

// A Store keeps records of all kinds for all tenants.
type Store struct {
	contacts          *cache.Kind[drift.ID, *drift.Contact]
	contactsByEmail   *cache.Kind[string, []*drift.Contact]
	contactsByExtID   *cache.Kind[string, *drift.Contact]
	contactThreads    *cache.Kind[drift.ID, []*drift.Conversation]
	contactAttributes *cache.Kind[All, []*drift.ContactAttribute]
	users             *cache.Kind[drift.ID, *drift.User]
	userList          *cache.Kind[All, *UserDirectory]
	conversations     *cache.Kind[drift.ID, *drift.Conversation]
	conversationPages *cache.Kind[ConversationPage, *drift.ConversationPage]
	conversationStats *cache.Kind[All, *drift.ConversationStats]
	messagePages      *cache.Kind[MessagePage, *drift.MessagePage]
	transcripts       *cache.Kind[drift.ID, *string]
	reports           *cache.Kind[Report, *drift.Report]
	accounts          *cache.Kind[string, *drift.Account]
	accountPages      *cache.Kind[AccountPage, *drift.AccountPage]
	accountDirectory  *cache.Kind[All, *AccountDirectory]
	teams             *cache.Kind[All, []*drift.Team]
	playbooks         *cache.Kind[All, []*drift.Playbook]
	landingPages      *cache.Kind[All, []*drift.LandingPage]
	meetings          *cache.Kind[MeetingWindow, []*drift.Meeting]
	tokenInfo         *cache.Kind[All, *drift.TokenInfo]
	sizes             *cache.Kind[string, *int]

	cache     *cache.Cache
	tombstone time.Duration // for how long who was forgotten is not read again

	mu    sync.Mutex
	holds map[cache.Tenant]*hold
}

// A hold is what a Store keeps of a tenant while somebody reads for it.
type hold struct {
	secret []byte // of its sources
	users  int    // sources that are open, and operations that run by one
}

// hold keeps the secret of a tenant until release.
func (s *Store) hold(t cache.Tenant, secret []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.holds[t]
	if h == nil {
		h = &hold{secret: secret}
		s.holds[t] = h
	}
	h.users++
}

// release ends a hold. With the last of a tenant goes what the process holds of
// it, for without the secret its records cannot be found by an e-mail address.
func (s *Store) release(t cache.Tenant) {
	s.mu.Lock()
	h := s.holds[t]
	h.users--
	last := h.users == 0
	if last {
		delete(s.holds, t)
	}
	s.mu.Unlock()
	if last {
		s.cache.Forget(t)
	}
}

// secretOf returns the secret of a tenant, nil if nobody reads for it.
func (s *Store) secretOf(t cache.Tenant) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.holds[t]; h != nil {
		return h.secret
	}
	return nil
}

// NewStore returns a store that keeps records in c, fresh for their ttl. Past
// that a record stands in for as long as stale says when Drift cannot answer, as
// Fallback tells; for the first part of it, as long as its ttl again, it is
// answered at once, and refreshed meanwhile.
func NewStore(c *cache.Cache, ttl TTL, stale time.Duration) (*Store, error) {
	s := &Store{cache: c, tombstone: defaultTombstone, holds: make(map[cache.Tenant]*hold)}
	single := func(All) string { return "all" }
	k := keeper{c, stale}
	err := errors.Join(
		s.addContacts(k, ttl.Contact),
		add(&s.contactsByEmail, k, "contacts-by-email", ttl.Contact, keep, each1(sizeOfContact), inOne),
		add(&s.contactsByExtID, k, "contact-by-external-id", ttl.Contact, keep, sizeOfContact, inOne),
		add(&s.contactThreads, k, "contact-conversations", ttl.ConversationList, drift.ID.String, each1(sizeOfConversation), inOne),
		add(&s.contactAttributes, k, "contact-attributes", ttl.ContactAttribute, single, each1(func(*drift.ContactAttribute) int { return 128 })),
		add(&s.users, k, "user", ttl.User, drift.ID.String, sizeOfUser),
		add(&s.userList, k, "users", ttl.User, single, func(d *UserDirectory) int { return each1(sizeOfUser)(d.All) + 64*len(d.All) }),
		add(&s.conversations, k, "conversation", ttl.Conversation, drift.ID.String, sizeOfConversation),
		add(&s.conversationPages, k, "conversations", ttl.ConversationList, ConversationPage.key, func(p *drift.ConversationPage) int {
			return each1(sizeOfConversation)(p.Conversations) + len(p.Next)
		}, inOne),
		add(&s.conversationStats, k, "conversation-stats", ttl.ConversationStats, single, func(*drift.ConversationStats) int { return 64 }),
		add(&s.messagePages, k, "messages", ttl.Message, MessagePage.key, func(p *drift.MessagePage) int {
			return each1(sizeOfMessage)(p.Messages) + len(p.Next)
		}, MessagePage.group),
		add(&s.transcripts, k, "transcript", ttl.Message, drift.ID.String, func(s *string) int { return len(*s) }, inOne),
		add(&s.reports, k, "report", ttl.ConversationReport, Report.key, func(r *drift.Report) int { return 64 + 256*len(r.Rows) }, inOne),
		add(&s.accounts, k, "account", ttl.Account, digest, sizeOfAccount),
		add(&s.accountPages, k, "account-page", ttl.Account, AccountPage.key, func(p *drift.AccountPage) int { return each1(sizeOfAccount)(p.Accounts) }, inOne),
		add(&s.accountDirectory, k, "accounts", ttl.Account, single, func(d *AccountDirectory) int { return each1(sizeOfAccount)(d.All) + 64*len(d.All) }),
		add(&s.teams, k, "teams", ttl.Team, single, each1(func(t *drift.Team) int { return 256 + 8*len(t.Members) })),
		add(&s.playbooks, k, "playbooks", ttl.Playbook, single, each1(func(b *drift.Playbook) int { return 512 + len(b.Meta) })),
		add(&s.landingPages, k, "landing-pages", ttl.Playbook, single, each1(func(*drift.LandingPage) int { return 256 })),
		add(&s.meetings, k, "meetings", ttl.Meeting, MeetingWindow.key, each1(func(*drift.Meeting) int { return 768 }), inOne),
		add(&s.tokenInfo, k, "token-info", ttl.Viewer, single, func(*drift.TokenInfo) int { return 512 }),
		add(&s.sizes, k, "size", sizeTTL, keep, func(*int) int { return 8 }),
	)
	return s, err
}

// Fallback reports whether an error says that Drift cannot answer now, so that
// an older record may stand in: not that it refuses to. An operation that may
// make no more calls takes what there is, too.
func Fallback(err error) bool {
	var budget *BudgetError
	for _, kind := range []error{drift.ErrUnavailable, drift.ErrTimeout, drift.ErrRateLimited, drift.ErrInvalid, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return errors.As(err, &budget)
}

// A keeper says where kinds of records are kept, and for how long beyond their
// ttl.
type keeper struct {
	cache *cache.Cache
	stale time.Duration
}

// add adds a kind of records, which are in no group unless one function tells
// theirs.
func add[K comparable, V any](kind **cache.Kind[K, V], k keeper, name string, ttl time.Duration, id func(K) string, size func(V) int, group ...func(K) string) error {
	o := cache.KindOptions[K, V]{Name: name, TTL: ttl, Revalidate: min(ttl, k.stale), Keep: k.stale, ID: id, Size: size}
	if len(group) > 0 {
		o.Group = group[0]
	}
	var err error
	*kind, err = cache.NewKind(k.cache, o)
	return err
}

// addContacts adds the kind of contacts, whose trait is their e-mail address.
func (s *Store) addContacts(k keeper, ttl time.Duration) (err error) {
	s.contacts, err = cache.NewKind(k.cache, cache.KindOptions[drift.ID, *drift.Contact]{
		Name: "contact", TTL: ttl, Revalidate: min(ttl, k.stale), Keep: k.stale, ID: drift.ID.String, Size: sizeOfContact,
		Trait: func(t cache.Tenant, c *drift.Contact) string {
			secret := s.secretOf(t)
			if secret == nil || c.Email == nil {
				return ""
			}
			return trait(secret, *c.Email)
		},
	})
	return err
}

// everything is the group of all records of a kind.
const everything = "all"

// inOne puts all records of a kind into one group: a change does not tell which
// of them it is of.
func inOne[K any](K) string { return everything }

func keep(id string) string { return id }

// each1 sizes a list by its entries.
func each1[T any](size func(*T) int) func([]*T) int {
	return func(list []*T) int {
		n := 24
		for _, v := range list {
			n += 8 + size(v)
		}
		return n
	}
}

func sizeOfContact(c *drift.Contact) int { return 512 + 2*len(c.Attributes) }
func sizeOfUser(*drift.User) int         { return 640 }
func sizeOfConversation(c *drift.Conversation) int {
	return 160 + 8*len(c.Participants) + 64*len(c.Tags)
}
func sizeOfAccount(a *drift.Account) int { return 320 + 192*len(a.CustomProperties) }

func sizeOfMessage(m *drift.Message) int {
	n := 320 + len(m.Attributes) + 192*len(m.Buttons) + 192*len(m.Attachments)
	if m.Body != nil {
		n += len(*m.Body)
	}
	if m.Context != nil {
		n += 768
	}
	return n
}

// key names the page in the cache.
func (p ConversationPage) key() string {
	return p.Statuses + "/" + strconv.Itoa(p.Limit) + "/" + digest(p.Token)
}

func (p MessagePage) group() string { return p.Conversation.String() }
func (p MessagePage) key() string   { return p.Conversation.String() + "/" + digest(p.Marker) }
func (p AccountPage) key() string   { return fmt.Sprintf("%d+%d", p.Index, p.Size) }
func (w MeetingWindow) key() string { return fmt.Sprintf("%d-%d", w.From, w.To) }
func (r Report) key() string        { return digest(string(r)) }

// digest shortens a text that may be long; the empty one stays empty.
func digest(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// A Source is where the loaders of one tenant read from.
type Source struct {
	store  *Store
	api    *drift.Client
	tenant cache.Tenant
	secret []byte
	now    func() time.Time
	closes bool                                 // it is closed before its Store is
	drop   func(Change) error                   // forgets a change for all who may see it; nil if nobody else may
	others func(Person)                         // forgets a person for the others of them; nil if there are none
	after  func(time.Duration) <-chan time.Time // as time.After: the pauses of Purge
}

// NewSource returns the source of the tenant that a credential belongs to.
// Records read by it are kept apart from those of every other credential.
func NewSource(s *Store, api *drift.Client, auth drift.Auth) *Source {
	identity := auth.Identity()
	tenant := cache.NewTenant(identity)
	s.hold(tenant, identity)
	return &Source{store: s, api: api, tenant: tenant, secret: identity, now: time.Now, after: time.After}
}

// OpenSource returns a NewSource that must be closed.
func OpenSource(s *Store, api *drift.Client, auth drift.Auth) *Source {
	source := NewSource(s, api, auth)
	source.closes = true
	return source
}

// Hold keeps the source open until it is closed once more.
func (s *Source) Hold() { s.store.hold(s.tenant, s.secret) }

// Close forgets what the process holds of the tenant, and the credential, as soon
// as the operations have ended that run by a source of it. Redis keeps its records.
func (s *Source) Close() { s.store.release(s.tenant) }

// Tenant returns the tenant that it reads for.
func (s *Source) Tenant() cache.Tenant { return s.tenant }

// private names a record by a keyed hash of what names it in Drift: an e-mail
// address, or an external id, which may be one. Neither stands in a cache key.
func (s *Source) private(text string) string { return hashOf(s.secret, text) }

func hashOf(secret []byte, text string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Keep keeps what Drift says of the credential, as if an operation had asked.
func (s *Source) Keep(ctx context.Context, info *drift.TokenInfo) {
	s.store.tokenInfo.Put(ctx, s.tenant, map[All]*drift.TokenInfo{{}: info})
}

// Loaders returns the loaders of an operation that runs on ctx, which must end.
func (s *Source) Loaders(ctx context.Context, o Operation) *Loaders {
	r := &recorder{start: time.Now(), most: o.MaxCalls, mostBytes: o.MaxBytes, full: o.Steps}
	r.lane.Caller = o.Caller
	r.lane.Deadline, _ = ctx.Deadline()
	if r.full {
		r.by = make(map[record]*trace)
	}
	if s.closes {
		s.store.hold(s.tenant, s.secret)
		context.AfterFunc(ctx, func() { s.store.release(s.tenant) })
	}
	ctx, trip := s.store.cache.NewTrip(ctx)
	l := &Loaders{now: s.now(), plan: o.Plan, recorder: r, trip: trip}
	l.Write = &Writes{source: s, loaders: l, ctx: ctx}
	l.Contacts = kept(ctx, s, r, "GET /contacts/{id}", s.store.contacts, each(s.api.Contact))
	l.ContactsByEmail = privately(ctx, s, r, "GET /contacts", s.store.contactsByEmail, each(s.contactsByEmail))
	l.ContactsByExternalID = privately(ctx, s, r, "GET /contacts", s.store.contactsByExtID, s.contactsByExternalID)
	l.ContactConversations = kept(ctx, s, r, "POST /reports/conversations", s.store.contactThreads, s.contactConversations)
	l.ContactAttributes = kept(ctx, s, r, "GET /contacts/attributes", s.store.contactAttributes, one(s.api.ContactAttributes))
	l.UserList = kept(ctx, s, r, "GET /users/list", s.store.userList, one(s.userList))
	if l.plan.lists[users] {
		l.Users = newLoader(ctx, r, "", func(_ context.Context, ids []drift.ID) []*cache.Future[*drift.User] { return l.usersFromList(ids) })
	} else {
		l.Users = kept(ctx, s, r, "GET /users", s.store.users, s.usersByID)
	}
	l.Conversations = kept(ctx, s, r, "GET /conversations/{id}", s.store.conversations, each(s.api.Conversation))
	l.ConversationPages = paged(ctx, s, r, "GET /conversations/list", s.store.conversationPages, each(s.conversationPage))
	l.ConversationStats = kept(ctx, s, r, "GET /conversations/stats", s.store.conversationStats, one(s.api.ConversationStats))
	l.MessagePages = paged(ctx, s, r, "GET /conversations/{id}/messages", s.store.messagePages, each(func(ctx context.Context, p MessagePage) (*drift.MessagePage, error) {
		return s.api.Messages(ctx, p.Conversation, p.Marker)
	}))
	l.Transcripts = kept(ctx, s, r, "GET /conversations/{id}/transcript", s.store.transcripts, each(func(ctx context.Context, id drift.ID) (*string, error) {
		text, err := s.api.Transcript(ctx, id)
		return &text, err
	}))
	l.Reports = kept(ctx, s, r, "POST /reports/conversations", s.store.reports, each(s.report))
	l.Accounts = kept(ctx, s, r, "GET /accounts/{id}", s.store.accounts, s.accountsByID)
	l.AccountPages = paged(ctx, s, r, "GET /accounts", s.store.accountPages, each(s.accountPage))
	l.AccountDirectory = kept(ctx, s, r, "GET /accounts", s.store.accountDirectory, one(s.accountDirectory))
	l.Teams = kept(ctx, s, r, "GET /teams/org", s.store.teams, one(s.api.Teams))
	l.Playbooks = kept(ctx, s, r, "GET /playbooks/list", s.store.playbooks, one(s.api.Playbooks))
	l.LandingPages = kept(ctx, s, r, "GET /playbooks/clp", s.store.landingPages, one(s.api.LandingPages))
	l.Meetings = kept(ctx, s, r, "GET /users/meetings/org", s.store.meetings, each(s.meetings))
	l.TokenInfo = kept(ctx, s, r, "POST /app/token_info", s.store.tokenInfo, one(s.api.TokenInfo))
	return l
}

// kept returns a loader that reads through the cache.
func kept[K comparable, V any](ctx context.Context, s *Source, r *recorder, route string, kind *cache.Kind[K, V], fetch cache.Fetch[K, V]) *Loader[K, V] {
	return newLoader(ctx, r, route, func(ctx context.Context, keys []K) []*cache.Future[V] {
		return kind.Load(ctx, s.tenant, keys, fetch)
	})
}

// paged returns a loader of pages, which reads through the cache. What is kept
// counts as what is not: an operation holds all that it has read.
func paged[K comparable, V any](ctx context.Context, s *Source, r *recorder, route string, kind *cache.Kind[K, V], fetch cache.Fetch[K, V]) *Loader[K, V] {
	return newLoader(ctx, r, route, func(ctx context.Context, keys []K) []*cache.Future[V] {
		allowed, refused := r.turn(len(keys))
		futures := kind.Load(ctx, s.tenant, keys[:allowed], fetch)
		for range keys[allowed:] {
			futures = append(futures, cache.Failed[V](refused))
		}
		return futures
	})
}

// privately returns a loader that reads through the cache under keyed hashes.
func privately[V any](ctx context.Context, s *Source, r *recorder, route string, kind *cache.Kind[string, V], fetch cache.Fetch[string, V]) *Loader[string, V] {
	return newLoader(ctx, r, route, func(ctx context.Context, keys []string) []*cache.Future[V] {
		hashes := make([]string, len(keys))
		hashOf, keyOf := make(map[string]string, len(keys)), make(map[string]string, len(keys))
		for i, key := range keys {
			hashes[i] = s.private(key)
			hashOf[key], keyOf[hashes[i]] = hashes[i], key
		}
		return kind.Load(ctx, s.tenant, hashes, func(ctx context.Context, hashes []string, answer func(string, V, error)) error {
			keys := make([]string, len(hashes))
			for i, hash := range hashes {
				keys[i] = keyOf[hash]
			}
			return fetch(ctx, keys, func(key string, v V, err error) { answer(hashOf[key], v, err) })
		})
	})
}

// usersFromList returns users from their list. Who is not in it was removed.
func (l *Loaders) usersFromList(ids []drift.ID) []*cache.Future[*drift.User] {
	futures := make([]*cache.Future[*drift.User], len(ids))
	list, err := l.UserList.batches.Load(l.UserList.ctx, All{})()
	if err == nil && list.Done() {
		if _, failure := list.Result(); l.UserList.refusedOther(list, failure) {
			list, err = l.UserList.again(All{})()
		}
	}
	if err != nil {
		list = cache.Failed[*UserDirectory](err)
	}
	for i, id := range ids {
		futures[i] = cache.Map(list, func(d *UserDirectory) (*drift.User, error) { return d.byID[id], nil })
		if l.recorder.full {
			futures[i].Then(func() { l.recorder.alias(l.Users, id, l.UserList, All{}) })
		}
	}
	return futures
}

// each fetches keys by a call for each, all at once; the client bounds how
// many are under way.
func each[K comparable, V any](get func(context.Context, K) (V, error)) cache.Fetch[K, V] {
	return func(ctx context.Context, keys []K, answer func(K, V, error)) error {
		var calls sync.WaitGroup
		for _, key := range keys {
			calls.Go(func() {
				var v V
				err := safely(func() (err error) {
					v, err = get(traced(ctx, key), key)
					return err
				})
				if errors.Is(err, drift.ErrNotFound) {
					var none V
					v, err = none, nil
				}
				answer(key, v, err)
			})
		}
		calls.Wait()
		return nil
	}
}

// safely calls fn and makes an error of its panic, which would end the process
// in a goroutine that nothing else guards.
func safely(fn func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = redact.Panicked(cause)
		}
	}()
	return fn()
}

// one fetches the record that there is only one of.
func one[V any](get func(context.Context) (V, error)) cache.Fetch[All, V] {
	return func(ctx context.Context, _ []All, answer func(All, V, error)) error {
		v, err := get(traced(ctx, All{}))
		answer(All{}, v, err)
		return nil
	}
}

// inChunks makes a call for at most so many keys each, all at once, and fails
// the keys of a failed call.
func inChunks[K comparable, V any](ctx context.Context, keys []K, most int, answer func(K, V, error), call func(context.Context, []K) error) {
	var calls sync.WaitGroup
	for chunk := range slices.Chunk(keys, most) {
		calls.Go(func() {
			if err := safely(func() error { return call(traced(ctx, chunk...), chunk) }); err != nil {
				for _, key := range chunk {
					var none V
					answer(key, none, err)
				}
			}
		})
	}
	calls.Wait()
}

// mostEmailPages bounds the contacts of one address that are read: Drift means
// to have one contact for each, and has a few where they were made twice.
const mostEmailPages = 5

func (s *Source) contactsByEmail(ctx context.Context, email string) ([]*drift.Contact, error) {
	found, err := s.listContacts(ctx, email)
	if err != nil {
		return nil, err
	}
	found = withoutBuried(ctx, s, s.store.contacts, found, contactID)
	s.keepContacts(ctx, found)
	return found, nil
}

func contactID(c *drift.Contact) drift.ID { return c.ID }

// listContacts reads the contacts with an e-mail address, and keeps nothing.
func (s *Source) listContacts(ctx context.Context, email string) ([]*drift.Contact, error) {
	found := []*drift.Contact{}
	query := drift.ContactQuery{Email: email, Limit: 100}
	for pages := 1; ; pages++ {
		page, err := s.api.ContactsByEmail(ctx, query)
		if err != nil {
			return nil, err
		}
		found = append(found, page.Contacts...)
		if page.Next == "" || page.Next == query.Page || pages == mostEmailPages {
			return found, nil
		}
		query.Page = page.Next
	}
}

func (s *Source) contactsByExternalID(ctx context.Context, ids []string, answer func(string, *drift.Contact, error)) error {
	inChunks(ctx, ids, drift.MaxExternalIDs, answer, func(ctx context.Context, ids []string) error {
		found, err := s.api.ContactsByExternalID(ctx, ids)
		if err != nil {
			return err
		}
		found = withoutBuried(ctx, s, s.store.contacts, found, contactID)
		s.keepContacts(ctx, found)
		for _, c := range found {
			if c.ExternalID != nil && slices.Contains(ids, *c.ExternalID) {
				answer(*c.ExternalID, c, nil)
			}
		}
		return nil
	})
	return nil
}

// keepContacts keeps contacts that came as rows of a list: rows are whole.
func (s *Source) keepContacts(ctx context.Context, list []*drift.Contact) {
	byID := make(map[drift.ID]*drift.Contact, len(list))
	for _, c := range list {
		byID[c.ID] = c
	}
	s.store.contacts.Put(ctx, s.tenant, byID)
}

// reportContacts is how many contacts one report is asked for. Drift documents
// no page size for reports, nor a most of values; so many have gone well.
const reportContacts = 100

// contactConversations asks one report for the conversations of many contacts.
func (s *Source) contactConversations(ctx context.Context, contacts []drift.ID, answer func(drift.ID, []*drift.Conversation, error)) error {
	inChunks(ctx, contacts, reportContacts, answer, func(ctx context.Context, contacts []drift.ID) error {
		values := make([]any, len(contacts))
		for i, id := range contacts {
			values[i] = id
		}
		report, err := s.api.ConversationReport(ctx, drift.ReportQuery{
			Filters: []drift.ReportFilter{{Property: "endUserId", Operation: "IN", Values: values}},
			Metrics: []string{"endUserId", "status", "createdAt", "updatedAt"},
		})
		if err != nil {
			return err
		}
		of := make(map[drift.ID][]*drift.Conversation, len(contacts))
		for _, r := range report.Rows {
			c := &drift.Conversation{ID: r.ConversationID}
			if len(r.Metrics) != 4 || r.ConversationID == 0 {
				continue
			}
			_ = json.Unmarshal(r.Metrics[0], &c.ContactID)
			_ = json.Unmarshal(r.Metrics[1], &c.Status)
			_ = json.Unmarshal(r.Metrics[2], &c.CreatedAt)
			_ = json.Unmarshal(r.Metrics[3], &c.UpdatedAt)
			of[c.ContactID] = append(of[c.ContactID], c)
		}
		for _, id := range contacts {
			list := of[id]
			slices.SortFunc(list, func(a, b *drift.Conversation) int {
				if a.UpdatedAt != b.UpdatedAt {
					return int(min(max(b.UpdatedAt-a.UpdatedAt, -1), 1))
				}
				return int(min(max(b.ID-a.ID, -1), 1))
			})
			answer(id, append([]*drift.Conversation{}, list...), nil)
		}
		return nil
	})
	return nil
}

func (s *Source) userList(ctx context.Context) (*UserDirectory, error) {
	list, err := s.api.Users(ctx)
	if err != nil {
		return nil, err
	}
	d := newUserDirectory(list)
	s.store.users.Put(ctx, s.tenant, d.byID)
	return d, nil
}

// usersByID reads users in the cheapest way.
func (s *Source) usersByID(ctx context.Context, ids []drift.ID, answer func(drift.ID, *drift.User, error)) error {
	switch cheapest(len(ids), drift.MaxUserIDs, 1) {
	case singly:
		return each(s.api.User)(ctx, ids, answer)
	case together:
		inChunks(ctx, ids, drift.MaxUserIDs, answer, func(ctx context.Context, ids []drift.ID) error {
			found, err := s.api.UsersByID(ctx, ids)
			for id, u := range found {
				answer(id, u, nil)
			}
			return err
		})
		return nil
	}
	ctx = traced(ctx, ids...)
	list := s.store.userList.Load(ctx, s.tenant, []All{{}}, one(s.userList))[0]
	d, err := list.Wait(ctx)
	if err == nil && !ofNow(list) {
		d, err = s.userList(ctx)
	}
	if err != nil {
		return err
	}
	for _, id := range ids {
		answer(id, d.byID[id], nil)
	}
	return nil
}

// ofNow reports whether a list was read just now. One that was kept must not be
// taken apart: its records would be kept as if they were new.
func ofNow[V any](list *cache.Future[V]) bool {
	return list.Source() == cache.Network || list.Source() == cache.Shared
}

// accountsByID reads accounts in the cheapest way.
func (s *Source) accountsByID(ctx context.Context, ids []string, answer func(string, *drift.Account, error)) error {
	if cheapest(len(ids), 1, s.accountPages(ctx)) == singly {
		return each(s.api.Account)(ctx, ids, answer)
	}
	directory := s.store.accountDirectory.Load(traced(ctx, ids...), s.tenant, []All{{}}, one(s.accountDirectory))[0]
	d, err := directory.Wait(ctx)
	if err != nil {
		return err
	}
	missing := ids
	if ofNow(directory) {
		missing = nil
		for _, id := range ids {
			if a := d.byID[id]; a != nil {
				answer(id, a, nil)
			} else {
				missing = append(missing, id)
			}
		}
	}
	return each(s.api.Account)(ctx, missing, answer) // deleted ones are not listed
}

func (s *Source) conversationPage(ctx context.Context, p ConversationPage) (*drift.ConversationPage, error) {
	query := drift.ConversationQuery{Limit: p.Limit, Page: p.Token}
	if p.Statuses != "" {
		for status := range strings.SplitSeq(p.Statuses, ",") {
			query.Statuses = append(query.Statuses, drift.ConversationStatus(status))
		}
	}
	page, err := s.api.Conversations(ctx, query)
	if err == nil {
		page.Conversations = withoutBuried(ctx, s, s.store.conversations, page.Conversations, func(c *drift.Conversation) drift.ID { return c.ID })
	}
	return page, err
}

func (s *Source) report(ctx context.Context, r Report) (*drift.Report, error) {
	var query drift.ReportQuery
	if err := json.Unmarshal([]byte(r), &query); err != nil {
		return nil, err
	}
	report, err := s.api.ConversationReport(ctx, query)
	if err == nil {
		all := len(report.Rows)
		report.Rows = withoutBuried(ctx, s, s.store.conversations, report.Rows, func(r drift.ReportRow) drift.ID { return r.ConversationID })
		report.Count -= all - len(report.Rows)
	}
	return report, err
}

func (s *Source) accountPage(ctx context.Context, p AccountPage) (*drift.AccountPage, error) {
	page, err := s.api.Accounts(ctx, p.Index, p.Size)
	if err == nil {
		s.keepAccounts(ctx, page.Accounts)
	}
	return page, err
}

// accountDirectory reads all accounts. If it is known about how many there are,
// it reads their pages at once, else one after the other.
func (s *Source) accountDirectory(ctx context.Context) (*AccountDirectory, error) {
	pages := make([]*drift.AccountPage, max(1, s.accountPages(ctx)))
	failures := make([]error, len(pages))
	var calls sync.WaitGroup
	for i := range pages {
		calls.Go(func() {
			failures[i] = safely(func() (err error) {
				pages[i], err = s.api.Accounts(ctx, i*drift.MaxAccounts, drift.MaxAccounts)
				return err
			})
		})
	}
	calls.Wait()
	if err := errors.Join(failures...); err != nil {
		return nil, err
	}
	last := len(pages) - 1
	for index := last * drift.MaxAccounts; pages[last].Next > index; last++ {
		index = pages[last].Next
		page, err := s.api.Accounts(ctx, index, drift.MaxAccounts)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	list, seen := []*drift.Account{}, make(map[string]bool)
	for _, page := range pages {
		for _, a := range page.Accounts {
			if !seen[a.ID] { // one that was deleted meanwhile moves the others to another page
				seen[a.ID] = true
				list = append(list, a)
			}
		}
	}
	s.keepAccounts(ctx, list)
	s.learn(ctx, accountCount, len(list))
	return newAccountDirectory(list), nil
}

// keepAccounts keeps accounts that came as rows of a list: rows are whole.
func (s *Source) keepAccounts(ctx context.Context, list []*drift.Account) {
	byID := make(map[string]*drift.Account, len(list))
	for _, a := range list {
		byID[a.ID] = a
	}
	s.store.accounts.Put(ctx, s.tenant, byID)
}

// mostHalvings bounds how often a window of meetings is halved, and with it the
// calls that one window takes: mostMeetingCalls.
const (
	mostHalvings     = 3
	mostMeetingCalls = 1<<(mostHalvings+1) - 1
)

func (s *Source) meetings(ctx context.Context, w MeetingWindow) ([]*drift.Meeting, error) {
	list, err := s.halve(ctx, w, mostHalvings)
	if err != nil {
		return nil, err
	}
	list = withoutBuried(ctx, s, s.store.contacts, list, func(m *drift.Meeting) drift.ID { return m.SchedulerID })
	return withoutBuried(ctx, s, s.store.conversations, list, func(m *drift.Meeting) drift.ID { return m.ConversationID }), nil
}

// halve reads the meetings of a window. Drift answers with so many at most and
// has no pages, so a window that is full is read in halves.
func (s *Source) halve(ctx context.Context, w MeetingWindow, times int) ([]*drift.Meeting, error) {
	list, err := s.api.Meetings(ctx, w.From, w.To, drift.MaxMeetings)
	switch {
	case err != nil || len(list) < drift.MaxMeetings || w.To-w.From < 2:
		return list, err
	case times == 0:
		return nil, relay.BadInput("there are more meetings from %s to %s than Drift tells at once; ask for a shorter time",
			w.From.Time().Format(time.RFC3339), w.To.Time().Format(time.RFC3339))
	}
	middle := w.From + (w.To-w.From)/2
	var early, late []*drift.Meeting
	var errEarly, errLate error
	var halves sync.WaitGroup
	half := func(list *[]*drift.Meeting, failure *error, w MeetingWindow) {
		halves.Go(func() {
			*failure = safely(func() (err error) {
				*list, err = s.halve(ctx, w, times-1)
				return err
			})
		})
	}
	half(&early, &errEarly, MeetingWindow{w.From, middle})
	half(&late, &errLate, MeetingWindow{middle, w.To})
	halves.Wait()
	if err := errors.Join(errEarly, errLate); err != nil {
		return nil, err
	}
	return append(early, late...), nil
}
