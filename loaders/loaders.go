// Package loaders reads Drift's records for the resolvers: each once per
// operation, through the cache, in the fewest calls. The planner looks ahead of
// the resolvers and decides what is read together.
package loaders

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/driftgraph/driftgraph/cache"
	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// All is the key of a record that there is only one of, such as the list of all
// teams.
type All struct{}

// Loaders read for one operation and are never shared. Each field is the one
// way to its kind of record.
type Loaders struct {
	Contacts             *Loader[drift.ID, *drift.Contact]
	ContactsByEmail      *Loader[string, []*drift.Contact]
	ContactsByExternalID *Loader[string, *drift.Contact]
	ContactConversations *Loader[drift.ID, []*drift.Conversation] // as a report tells of them, the latest first
	ContactAttributes    *Loader[All, []*drift.ContactAttribute]
	Users                *Loader[drift.ID, *drift.User]
	UserList             *Loader[All, *UserDirectory]
	Conversations        *Loader[drift.ID, *drift.Conversation] // whole, not as a list has them
	ConversationPages    *Loader[ConversationPage, *drift.ConversationPage]
	ConversationStats    *Loader[All, *drift.ConversationStats]
	MessagePages         *Loader[MessagePage, *drift.MessagePage]
	Transcripts          *Loader[drift.ID, *string]
	Reports              *Loader[Report, *drift.Report]
	Accounts             *Loader[string, *drift.Account]
	AccountPages         *Loader[AccountPage, *drift.AccountPage]
	AccountDirectory     *Loader[All, *AccountDirectory]
	Teams                *Loader[All, []*drift.Team]
	Playbooks            *Loader[All, []*drift.Playbook]
	LandingPages         *Loader[All, []*drift.LandingPage]
	Meetings             *Loader[MeetingWindow, []*drift.Meeting]
	TokenInfo            *Loader[All, *drift.TokenInfo]

	Write *Writes // the one way to change a record

	plan     *Plan
	recorder *recorder
	trip     *cache.Trip // gathers what the planner asks of Redis in a round
	now      time.Time   // when the operation began
}

// An Operation is what loaders must know of the operation that they read for.
type Operation struct {
	Plan     *Plan
	Caller   string // who waits for it: callers take turns to have calls made
	MaxCalls int    // calls to Drift that it may make; 0 for any number
	MaxBytes int64  // of the records that its answer is made of, about; 0 for any number
	Steps    bool   // Spent tells of each step too
}

// Spent returns what the operation has cost so far.
func (l *Loaders) Spent() Spent {
	s := l.recorder.total()
	if b := l.Write.source.api.Budget(); b.PerSecond > 0 {
		s.Budget = &Budget{Remaining: b.Left, Limit: b.Most, PerSecond: math.Round(b.PerSecond*10) / 10}
	}
	return s
}

type contextKey struct{}

// Attach gives an operation its loaders.
func Attach(ctx context.Context, l *Loaders) context.Context {
	return context.WithValue(ctx, contextKey{}, l)
}

// For returns the loaders of an operation.
func For(ctx context.Context) *Loaders {
	return ctx.Value(contextKey{}).(*Loaders)
}

// needs reports whether the field being resolved selects more of an object of
// the given type than what is known of it.
func (l *Loaders) needs(ctx context.Context, typ string, known level) bool {
	wanted, planned := l.plan.needs[need{graphql.GetFieldContext(ctx).Field.Field, typ}]
	return !planned || wanted > known
}

// Contact returns a contact that an object links to. If no more than its id is
// selected it is not read, and nothing else of it is set.
func (l *Loaders) Contact(ctx context.Context, id drift.ID) (*drift.Contact, error) {
	if id == 0 {
		return nil, nil
	}
	if !l.needs(ctx, relay.Contact, identity) {
		return &drift.Contact{ID: id}, nil
	}
	return l.Contacts.Load(id)
}

// Conversation returns a conversation that an object links to. If no more than
// its id is selected it is not read, and nothing else of it is set.
func (l *Loaders) Conversation(ctx context.Context, id drift.ID) (*drift.Conversation, error) {
	if id == 0 {
		return nil, nil
	}
	if !l.needs(ctx, relay.Conversation, identity) {
		return &drift.Conversation{ID: id}, nil
	}
	return l.Conversations.Load(id)
}

// User returns a user that an object links to. If no more than the id is
// selected the user is not read, and nothing else is set.
func (l *Loaders) User(ctx context.Context, id drift.ID) (*drift.User, error) {
	if id == 0 {
		return nil, nil
	}
	if !l.needs(ctx, relay.User, identity) {
		return &drift.User{ID: id}, nil
	}
	return l.Users.Load(id)
}

// UsersOf returns the users that an object links to, without those who were
// removed. If no more than their ids is selected they are not read, so a
// removed one cannot be told.
func (l *Loaders) UsersOf(ctx context.Context, ids []drift.ID) ([]*drift.User, error) {
	if !l.needs(ctx, relay.User, identity) {
		list := make([]*drift.User, 0, len(ids))
		for _, id := range ids {
			list = append(list, &drift.User{ID: id})
		}
		return list, nil
	}
	list, err := l.Users.LoadAll(ids)
	return present(list), err
}

// Playbook returns a playbook that an object links to. If no more than its id
// is selected it is not read, and nothing else of it is set.
func (l *Loaders) Playbook(ctx context.Context, id drift.ID) (*drift.Playbook, error) {
	if id == 0 {
		return nil, nil
	}
	if !l.needs(ctx, relay.Playbook, identity) {
		return &drift.Playbook{ID: id}, nil
	}
	list, err := l.Playbooks.Load(All{})
	return PlaybookByID(list, id), err
}

// AccountOf returns the account of a contact, nil if there is none.
func (l *Loaders) AccountOf(ctx context.Context, c *drift.Contact) (*drift.Account, error) {
	d, err := l.AccountDirectory.Load(All{})
	if err != nil {
		return nil, err
	}
	a := d.Of(c)
	return a, l.recorder.hand(a)
}

// ConversationsOf returns a page of the conversations with a contact. Those of
// which the selection needs more than a report tells are read whole; those that
// are gone meanwhile are left out. A failure to read one is returned beside the
// page, in which that one is as the report told of it.
func (l *Loaders) ConversationsOf(ctx context.Context, contact drift.ID, w relay.Window) (*relay.Connection[*drift.Conversation], error) {
	if w.First == 0 {
		return relay.NewConnection[*drift.Conversation](nil, w.After != nil, false), nil
	}
	found, err := l.ContactConversations.Load(contact)
	if err != nil {
		return nil, err
	}
	page := relay.Slice(found, (*drift.Conversation).Ref, w)
	edges := page.Edges[:0]
	var failure error
	for _, e := range page.Edges {
		if known := reported(e.Node); l.needs(ctx, relay.Conversation, known) {
			c, err := l.Conversations.Load(e.Node.ID)
			switch {
			case err != nil && known == identity:
				return nil, err
			case err != nil:
				failure = err
			case c == nil:
				continue
			default:
				e.Node = c
			}
		}
		edges = append(edges, e)
	}
	return relay.NewConnection(edges, page.PageInfo.HasPreviousPage, page.PageInfo.HasNextPage), failure
}

// reported returns how much is known of a conversation that a report told of.
func reported(c *drift.Conversation) level {
	if c.Status == "" || c.CreatedAt == 0 {
		return identity
	}
	return summary
}

// InDirectory reports whether the operation reads the account directory, so
// that a list of accounts is best cut out of it.
func (l *Loaders) InDirectory() bool { return l.plan.lists[accounts] }

// OwnerID reads the argument ownerId of accounts; 0 if there is none.
func OwnerID(id *string) (drift.ID, error) {
	if id == nil {
		return 0, nil
	}
	return relay.ParseID(relay.User, *id)
}

// CheckEmail refuses what cannot be an e-mail address.
func CheckEmail(email string) error {
	if at := strings.IndexByte(email, '@'); at < 1 || at == len(email)-1 || len(email) > 320 {
		return relay.BadInput("email is not an e-mail address; it takes a whole one, such as maya@example.com")
	}
	return nil
}

// CheckExternalIDs refuses too many external ids, and empty ones.
func CheckExternalIDs(ids []string) error {
	if len(ids) > relay.MaxPage {
		return relay.BadInput("externalIds has %d; it takes at most %d", len(ids), relay.MaxPage)
	}
	if slices.Contains(ids, "") {
		return relay.BadInput("externalIds has an empty one; it takes ids as your own system gave them")
	}
	return nil
}

// ByEmail names the list of contacts with an e-mail address for its cursors.
// The address is no part of it, so that none stands in a cursor.
const ByEmail = "e"

// ThreadsOf names the list of a contact's conversations for its cursors.
func ThreadsOf(contact drift.ID) string { return "t/" + contact.String() }

// OwnedBy names the list of a user's accounts for its cursors.
func OwnedBy(user drift.ID) string { return "o/" + user.String() }

// UserWindow reads the arguments of Query.users.
func UserWindow(f UserFilter, first *int, after *string) (relay.Window, error) {
	bot := ""
	if f.Bot != nil {
		bot = strconv.FormatBool(*f.Bot)
	}
	return relay.ParseWindow(strings.ToLower(strings.Join([]string{"u", string(f.Availability), string(f.Role), bot}, "/")), first, after)
}

// AccountWindow reads the arguments of Query.accounts; owner is 0 for any.
func AccountWindow(targeted *bool, owner drift.ID, first *int, after *string) (relay.Window, error) {
	conditions := ""
	if targeted != nil {
		conditions = strconv.FormatBool(*targeted)
	}
	if owner != 0 {
		conditions += "/" + owner.String()
	}
	return relay.ParseWindow("a/"+conditions, first, after)
}

// A UserFilter selects users; its zero value selects all.
type UserFilter struct {
	Availability drift.UserAvailability // "" for any
	Role         drift.UserRole         // "" for any
	Bot          *bool                  // nil for both
}

// Select returns the users that a filter selects.
func (d *UserDirectory) Select(f UserFilter) []*drift.User {
	selected := []*drift.User{}
	for _, u := range d.All {
		if (f.Availability == "" || u.Availability != "" && fits(u.Availability, f.Availability, drift.Available, drift.Offline, drift.OnCall)) &&
			(f.Role == "" || u.Role != "" && fits(u.Role, f.Role, drift.RoleMember, drift.RoleAdmin, drift.RoleAgent)) &&
			(f.Bot == nil || u.Bot == *f.Bot) {
			selected = append(selected, u)
		}
	}
	return selected
}

// fits reports whether v is the wanted value of an enum. UNKNOWN, in any case,
// is each value that is not among the known.
func fits[T ~string](v, wanted T, known ...T) bool {
	if strings.EqualFold(string(wanted), "UNKNOWN") {
		return !slices.Contains(known, v)
	}
	return strings.EqualFold(string(v), string(wanted))
}

// TeamsOf returns the teams that a user is a member of.
func TeamsOf(list []*drift.Team, user drift.ID) []*drift.Team {
	of := []*drift.Team{}
	for _, t := range list {
		for _, m := range t.Members {
			if m == user {
				of = append(of, t)
				break
			}
		}
	}
	return of
}

// TeamByID returns a team of a list, nil if it has none with that id.
func TeamByID(list []*drift.Team, id drift.ID) *drift.Team {
	for _, t := range list {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// PlaybookByID returns a playbook of a list, nil if it has none with that id.
func PlaybookByID(list []*drift.Playbook, id drift.ID) *drift.Playbook {
	for _, b := range list {
		if b.ID == id {
			return b
		}
	}
	return nil
}

// present returns a list without its nils.
func present[T any](list []*T) []*T {
	kept := list[:0]
	for _, v := range list {
		if v != nil {
			kept = append(kept, v)
		}
	}
	return kept
}

// SetClock makes the source take the present from now, not from the machine's
// clock. It is for before the first operation.
func (s *Source) SetClock(now func() time.Time) { s.now = now }

// A MeetingWindow is a span of time in which meetings start.
type MeetingWindow struct {
	From, To drift.Millis
}

// MeetingWindow reads the arguments of meetings. Their defaults hang off the
// day, so that the same question asked twice is the same call.
func (l *Loaders) MeetingWindow(from, to *drift.Millis) (MeetingWindow, error) {
	const day = 24 * time.Hour
	today := l.now.UTC().Truncate(day)
	w := MeetingWindow{From: drift.MillisOf(today.Add(-7 * day)), To: drift.MillisOf(today.Add(31 * day))}
	if from != nil {
		w.From = *from
	}
	if to != nil {
		w.To = *to
	}
	if earliest := drift.MillisOf(l.now.Add(-30 * day)); w.From < earliest {
		return w, relay.BadInput("from is %s; Drift keeps meetings of the last 30 days, so it takes %s or later",
			w.From.Time().Format(time.RFC3339), earliest.Time().Format(time.RFC3339))
	}
	if w.To <= w.From {
		return w, relay.BadInput("to is %s; it takes an instant after from, which is %s",
			w.To.Time().Format(time.RFC3339), w.From.Time().Format(time.RFC3339))
	}
	return w, nil
}
