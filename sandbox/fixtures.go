package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fixtures are ids of records that a test may want, as they were when the sandbox was made. What a sandbox is too small to
// have is zero or empty. The slices are shared; do not change them.
type Fixtures struct {
	UserIDs       []int64 // in the list of users, by id
	BotID         int64   // the bot that writes where no user is named
	RemovedUserID int64   // named by conversations, messages, a team, a playbook and accounts, but in no list and 404 by id

	ContactIDs          []int64  // that can be read by id, the first made first; the deleted ones are among them
	AnonymousContactID  int64    // without email and name
	EmailOnlyContactID  int64    // with nothing but an email
	EnrichedContactID   int64    // with social profiles, tags and custom attributes
	FreemailContactID   int64    // of no known company, writing from gmail.com if there is one
	EmployedContactID   int64    // whose company only employment_domain tells: their email is private
	EmployerAccountID   string   // the account of EmployedContactID
	DeletedContactID    int64    // read by id, found by nothing else
	SharedEmail         string   // of several contacts
	SharedEmailContacts []int64  // those, the first made first
	ExternalIDs         []string // of the contacts that have one, in the order of ContactIDs

	AccountIDs         []string // in the list of accounts
	DeletedAccountIDs  []string // read by id only
	OrphanAccountID    string   // owned by RemovedUserID
	FreemailAccountID  string   // made for the domain of a mail service, so that it fits strangers
	ConversationIDs    []int64  // the latest first
	LongConversationID int64    // the one with the most messages; more than 100 unless Config.MaxMessages is lower

	BareConversationID     int64 // without participants
	EmptyConversationID    int64 // with an empty list of participants
	BulkConversationID     int64 // status bulk_sent, only an agent wrote
	DanglingConversationID int64 // whose contact is 404
	MissingContactID       int64 // that contact
	OrphanConversationID   int64 // with RemovedUserID as an author and participant
	UnlistedPlaybookID     int64 // named by conversations, but in no list
	AttachmentID           int64
	AttachmentConversation int64 // where AttachmentID is
}

// Fixtures returns ids for tests.
func (s *Sandbox) Fixtures() Fixtures { return s.fixtures }

// fixtures looks for them.
func (o *org) fixtures() Fixtures {
	var f Fixtures
	for _, u := range o.users {
		f.UserIDs = append(f.UserIDs, u.ID)
	}
	f.BotID = o.bot().ID
	for _, t := range o.teams {
		for _, id := range t.Members {
			if o.user(id) == nil {
				f.RemovedUserID = id
			}
		}
	}
	o.accountFixtures(&f)
	f.ContactIDs = slices.Sorted(maps.Keys(o.contacts))
	for _, id := range f.ContactIDs {
		o.contactFixtures(&f, o.contacts[id])
	}
	for _, c := range slices.Backward(o.byUpdate) {
		o.conversationFixtures(&f, c)
	}
	return f
}

// first sets a fixture unless it is set.
func first[T comparable](fixture *T, value T, fits bool) {
	if *fixture == *new(T) && fits {
		*fixture = value
	}
}

func (o *org) accountFixtures(f *Fixtures) {
	for _, a := range o.accounts {
		if a.Deleted {
			f.DeletedAccountIDs = append(f.DeletedAccountIDs, a.AccountID)
			continue
		}
		f.AccountIDs = append(f.AccountIDs, a.AccountID)
		first(&f.OrphanAccountID, a.AccountID, a.OwnerID == f.RemovedUserID)
		first(&f.FreemailAccountID, a.AccountID, slices.Contains(freemail, a.Domain))
	}
}

func (o *org) contactFixtures(f *Fixtures, c *contact) {
	email, employer := c.text("email"), c.text("employment_domain")
	_, domain, _ := strings.Cut(email, "@")
	private := slices.Contains(freemail, domain)
	account := o.accountByID[fmt.Sprintf("%d_%s", o.id, employer)]
	profile, _ := c.Attributes["socialProfiles"].(map[string]any)

	first(&f.DeletedContactID, c.ID, c.deleted)
	if c.deleted {
		return
	}
	first(&f.AnonymousContactID, c.ID, email == "" && c.text("name") == "")
	first(&f.EmailOnlyContactID, c.ID, email != "" && c.text("name") == "")
	first(&f.EnrichedContactID, c.ID, profile != nil && len(tagsOf(c)) > 0 && c.Attributes["seats"] != nil)
	first(&f.FreemailContactID, c.ID, domain == freemail[0] && employer == "")
	if private && account != nil && !account.Deleted && f.EmployedContactID == 0 {
		f.EmployedContactID, f.EmployerAccountID = c.ID, account.AccountID
	}
	if same := o.byEmail[email]; len(same) > max(len(f.SharedEmailContacts), 1) {
		f.SharedEmail, f.SharedEmailContacts = email, nil
		for _, c := range same {
			f.SharedEmailContacts = append(f.SharedEmailContacts, c.ID)
		}
	}
	if id := c.text("externalId"); id != "" {
		f.ExternalIDs = append(f.ExternalIDs, id)
	}
}

func (o *org) conversationFixtures(f *Fixtures, c *conversation) {
	f.ConversationIDs = append(f.ConversationIDs, c.ID)
	if longest := o.conversations[f.LongConversationID]; longest == nil || len(c.messages) > len(longest.messages) {
		f.LongConversationID = c.ID
	}
	first(&f.BareConversationID, c.ID, c.Participants == nil)
	first(&f.EmptyConversationID, c.ID, c.Participants != nil && len(c.Participants) == 0)
	first(&f.BulkConversationID, c.ID, c.Status == "bulk_sent")
	first(&f.MissingContactID, c.ContactID, o.contacts[c.ContactID] == nil)
	first(&f.DanglingConversationID, c.ID, o.contacts[c.ContactID] == nil)
	first(&f.OrphanConversationID, c.ID, slices.Contains(c.Participants, f.RemovedUserID))
	first(&f.UnlistedPlaybookID, c.RelatedPlaybookID, c.RelatedPlaybookID == unlistedPlaybook)
	for _, m := range c.messages {
		for _, a := range m.Attachments {
			first(&f.AttachmentConversation, c.ID, f.AttachmentID == 0)
			first(&f.AttachmentID, a.ID, true)
		}
	}
}
