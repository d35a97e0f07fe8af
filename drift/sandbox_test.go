package drift_test

import (
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/sandbox"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// These tests write to the sandbox, which was made from Drift's documentation
// alone, and read back what became of it.

func TestContactsAreWritten(t *testing.T) {
	_, client := stand(t, sandbox.Config{})
	ctx := t.Context()
	made, err := client.CreateContact(ctx, drift.NewContact{
		Email:      "ada@example.com",
		ExternalID: "crm/1",
		Attributes: jsontext.Value(`{"name":"Ada","seats":9007199254740993,"is_partner":true}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	checkContact(t, client, made)
	checkAttributes(t, made, map[string]string{
		"email": `"ada@example.com"`, "externalId": `"crm/1"`, "name": `"Ada"`, "seats": `9007199254740993`, "is_partner": `true`,
	})

	changed, err := client.UpdateContact(ctx, made.ID, jsontext.Value(`{"phone":"555-010-0001","is_partner":false}`))
	if err != nil {
		t.Fatal(err)
	}
	checkContact(t, client, changed)
	checkAttributes(t, changed, map[string]string{ // what was not sent is left alone
		"name": `"Ada"`, "seats": `9007199254740993`, "phone": `"555-010-0001"`, "is_partner": `false`,
	})

	again, err := client.UpdateContactByExternalID(ctx, "crm/1", jsontext.Value(`{"name":"Ada L"}`))
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != made.ID {
		t.Errorf("the external id leads to contact %d, want %d", again.ID, made.ID)
	}
	checkContact(t, client, again)
	checkAttributes(t, again, map[string]string{"name": `"Ada L"`, "phone": `"555-010-0001"`})

	if err := client.DeleteContact(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	page, err := client.ContactsByEmail(ctx, drift.ContactQuery{Email: "ada@example.com"})
	if err != nil || len(page.Contacts) != 0 {
		t.Errorf("the deleted contact is found by email: %v, %v", page, err)
	}
	checkContact(t, client, again) // by id it is
	checkRefusal(t, client.DeleteContact(ctx, made.ID), drift.ErrNotFound, "CONTACT-1")
}

func TestContactsAreRefused(t *testing.T) {
	sb, client := stand(t, sandbox.Config{})
	ctx := t.Context()
	id := drift.ID(sb.Fixtures().ContactIDs[0])
	taken := sb.Fixtures().SharedEmail
	before, err := client.Contact(ctx, id)
	if err != nil {
		t.Fatal(err)
	}

	_, err = client.CreateContact(ctx, drift.NewContact{Email: taken})
	checkRefusal(t, err, drift.ErrRefused, "CONTACT-6")
	_, err = client.CreateContact(ctx, drift.NewContact{Email: "new@example.com", ExternalID: sb.Fixtures().ExternalIDs[0]})
	checkRefusal(t, err, drift.ErrRefused, "CONTACT-6")
	_, err = client.CreateContact(ctx, drift.NewContact{})
	checkRefusal(t, err, drift.ErrRefused, "CONTACT-7")
	_, err = client.UpdateContact(ctx, id, nil)
	checkRefusal(t, err, drift.ErrRefused, "CONTACT-8")
	_, err = client.UpdateContact(ctx, id, jsontext.Value(`{"phone":null}`))
	checkRefusal(t, err, drift.ErrRefused, "CONTACT-4")
	_, err = client.UpdateContact(ctx, id, jsontext.Value(`{"tags":[{"name":"no such tag"}]}`))
	checkRefusal(t, err, drift.ErrRefused, "CONTACT-9")
	_, err = client.UpdateContact(ctx, 1, jsontext.Value(`{}`))
	checkRefusal(t, err, drift.ErrNotFound, "CONTACT-1")
	_, err = client.UpdateContactByExternalID(ctx, "nobody", jsontext.Value(`{}`))
	checkRefusal(t, err, drift.ErrNotFound, "CONTACT-1")
	_, err = client.CreateTimelineEvent(ctx, drift.NewTimelineEvent{ContactID: 1, Event: "e"})
	checkRefusal(t, err, drift.ErrNotFound, "CONTACT-1")
	_, err = client.CreateTimelineEvent(ctx, drift.NewTimelineEvent{Event: "e"})
	checkRefusal(t, err, drift.ErrRefused, "CONTACT-4")

	checkContact(t, client, before)
	if _, err := client.CreateContact(ctx, drift.NewContact{Email: taken, ExternalID: "new"}); err != nil {
		t.Errorf("an email may be shared under a new external id: %v", err)
	}
}

func TestEmailsAreUnsubscribed(t *testing.T) {
	sb, client := stand(t, sandbox.Config{})
	if err := client.UnsubscribeEmails(t.Context(), []string{"ada@example.com", "bob@example.com"}); err != nil {
		t.Fatal(err)
	}
	checkCall(t, sb, "POST /emails/unsubscribe", `["ada@example.com","bob@example.com"]`)
}

func TestTimelineEvents(t *testing.T) {
	sb, client := stand(t, sandbox.Config{})
	ctx := t.Context()
	external := sb.Fixtures().ExternalIDs[0]
	found, err := client.ContactsByExternalID(ctx, []string{external})
	if err != nil || len(found) != 1 {
		t.Fatalf("the external id %s leads to %v, %v", external, found, err)
	}
	want := &drift.TimelineEvent{ContactID: found[0].ID, Event: "invoice paid", CreatedAt: 1718794800000}
	for _, event := range []drift.NewTimelineEvent{
		{ContactID: found[0].ID, Event: "Invoice Paid", CreatedAt: 1718794800000},
		{ExternalID: external, Event: "Invoice Paid", CreatedAt: 1718794800000},
	} {
		got, err := client.CreateTimelineEvent(ctx, event)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v is not noted as expected (-want +got):\n%s", event, diff)
		}
	}
	now, err := client.CreateTimelineEvent(ctx, drift.NewTimelineEvent{ContactID: found[0].ID, Event: "e"})
	if err != nil || now.CreatedAt == 0 {
		t.Errorf("an event without a time is noted as %+v, %v", now, err)
	}
}

func TestConversationsAreStarted(t *testing.T) {
	sb, client := stand(t, sandbox.Config{})
	ctx := t.Context()
	agent := drift.ID(sb.Fixtures().UserIDs[0])
	started, err := client.StartConversation(ctx, drift.NewConversation{
		Email: "ada@example.com", Body: "Hello", IntegrationSource: "Ledger", AutoAssigneeID: agent,
	})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := client.Conversation(ctx, started.ID)
	if err != nil {
		t.Fatal(err)
	}
	started.UpdatedAt = stored.UpdatedAt // which the answer to a start does not have
	if diff := cmp.Diff(started, stored); diff != "" {
		t.Errorf("it is stored otherwise than answered (-answered +stored):\n%s", diff)
	}
	if !slices.Equal(stored.Participants, []drift.ID{agent}) {
		t.Errorf("the participants are %v, want %v", stored.Participants, agent)
	}
	contact, err := client.Contact(ctx, stored.ContactID)
	if err != nil || contact.Email == nil || *contact.Email != "ada@example.com" {
		t.Errorf("it is with %+v, %v", contact, err)
	}
	page, err := client.Messages(ctx, started.ID, "")
	if err != nil || len(page.Messages) != 1 {
		t.Fatalf("it has the messages %v, %v", page, err)
	}
	checkMessage(t, page.Messages[0], "Hello", drift.Author{ID: stored.ContactID, Type: drift.AuthorContact})
	if got := string(page.Messages[0].Attributes); !strings.Contains(got, `"integrationSource":"Ledger"`) {
		t.Errorf("the attributes of its message are %s", got)
	}

	again, err := client.StartConversation(ctx, drift.NewConversation{Email: "ada@example.com", Body: "Hello again"})
	if err != nil || again.ContactID != stored.ContactID || again.ID == started.ID {
		t.Errorf("a second start gives %+v, %v", again, err)
	}
	_, err = client.StartConversation(ctx, drift.NewConversation{Email: "ada@example.com"})
	checkRefusal(t, err, drift.ErrRefused, "")
	_, err = client.StartConversation(ctx, drift.NewConversation{Email: "ada@example.com", Body: "b", AutoAssigneeID: 1})
	checkRefusal(t, err, drift.ErrNotFound, "")
}

func TestMessagesAreSent(t *testing.T) {
	sb, client := stand(t, sandbox.Config{})
	ctx := t.Context()
	bot := drift.Author{ID: drift.ID(sb.Fixtures().BotID), Type: drift.AuthorUser, Bot: true}
	var agent drift.Author
	for _, id := range sb.Fixtures().UserIDs {
		if user, err := client.User(ctx, drift.ID(id)); err == nil && !user.Bot {
			agent = drift.Author{ID: user.ID, Type: drift.AuthorUser}
		}
	}
	started, err := client.StartConversation(ctx, drift.NewConversation{Email: "ada@example.com", Body: "Hello"})
	if err != nil {
		t.Fatal(err)
	}
	buttons := []drift.Button{
		{Label: new("Yes"), Value: new("yes"), Type: new("reply"), Style: new("primary"), Reaction: &drift.ButtonReaction{Type: new("replace"), Message: new("Fine.")}},
		{Label: new("No"), Value: new("no"), Type: new("reply"), Style: new("danger"), Reaction: &drift.ButtonReaction{Type: new("delete")}},
	}
	tests := []struct {
		message drift.NewMessage
		kind    drift.MessageType
		author  drift.Author
	}{
		{drift.NewMessage{Body: "<p>From the bot.</p>"}, drift.MessageChat, bot},
		{drift.NewMessage{Body: "Only for us.", Type: drift.MessagePrivateNote, AuthorID: agent.ID}, drift.MessagePrivateNote, agent},
		{drift.NewMessage{Body: "Well?", AuthorID: agent.ID, Buttons: buttons}, drift.MessageChat, agent},
	}
	for i, tt := range tests {
		sent, err := client.SendMessage(ctx, started.ID, tt.message)
		if err != nil {
			t.Fatal(err)
		}
		checkMessage(t, sent, tt.message.Body, tt.author)
		if sent.Type != tt.kind {
			t.Errorf("the type of %q is %s, want %s", tt.message.Body, sent.Type, tt.kind)
		}
		if diff := cmp.Diff(tt.message.Buttons, sent.Buttons); diff != "" {
			t.Errorf("the buttons of %q are not as sent (-want +got):\n%s", tt.message.Body, diff)
		}
		page, err := client.Messages(ctx, started.ID, "")
		if err != nil || len(page.Messages) != i+2 {
			t.Fatalf("the messages are %v, %v", page, err)
		}
		stored := page.Messages[i+1]
		sent.OrgID = stored.OrgID // which the answer to a send does not have
		if diff := cmp.Diff(sent, stored); diff != "" {
			t.Errorf("it is stored otherwise than answered (-answered +stored):\n%s", diff)
		}
	}
	_, err = client.SendMessage(ctx, started.ID, drift.NewMessage{})
	checkRefusal(t, err, drift.ErrRefused, "")
	_, err = client.SendMessage(ctx, started.ID, drift.NewMessage{Body: "b", AuthorID: 1})
	checkRefusal(t, err, drift.ErrNotFound, "")
	_, err = client.SendMessage(ctx, 1, drift.NewMessage{Body: "b"})
	checkRefusal(t, err, drift.ErrNotFound, "")
}

func TestUsersAreUpdated(t *testing.T) {
	sb, client := stand(t, sandbox.Config{})
	ctx := t.Context()
	before, err := client.User(ctx, drift.ID(sb.Fixtures().UserIDs[0]))
	if err != nil {
		t.Fatal(err)
	}
	want := *before
	want.Name, want.Alias, want.Email, want.Phone = new("Ada Ek"), new("Ada"), new("ada@example.com"), new("555-010-0001")
	want.Locale, want.AvatarURL, want.Availability = new("sv-SE"), new("https://cdn.example.com/ada.png"), drift.Offline
	changed, err := client.UpdateUser(ctx, before.ID, drift.UserChanges{
		Name: drift.Set(want.Name), Alias: drift.Set(want.Alias), Email: drift.Set(want.Email), Phone: drift.Set(want.Phone),
		Locale: drift.Set(want.Locale), AvatarURL: drift.Set(want.AvatarURL), Availability: drift.Set(&want.Availability),
	})
	if err != nil {
		t.Fatal(err)
	}
	want.UpdatedAt = changed.UpdatedAt
	checkUser(t, client, &want, changed)

	want.Availability = drift.Available
	changed, err = client.UpdateUser(ctx, before.ID, drift.UserChanges{Availability: drift.Set(new(drift.Available))})
	if err != nil {
		t.Fatal(err)
	}
	want.UpdatedAt = changed.UpdatedAt
	checkUser(t, client, &want, changed) // what was not sent is left alone

	_, err = client.UpdateUser(ctx, before.ID, drift.UserChanges{Availability: drift.Set(new(drift.OnCall))})
	checkRefusal(t, err, drift.ErrRefused, "")
	_, err = client.UpdateUser(ctx, before.ID, drift.UserChanges{Phone: drift.Set[string](nil)})
	checkRefusal(t, err, drift.ErrRefused, "")
	checkUser(t, client, &want, changed)
	_, err = client.UpdateUser(ctx, 1, drift.UserChanges{Name: drift.Set(new("x"))})
	checkRefusal(t, err, drift.ErrNotFound, "")
}

func TestAccountsAreWritten(t *testing.T) {
	sb, client := stand(t, sandbox.Config{})
	ctx := t.Context()
	owner, other := drift.ID(sb.Fixtures().UserIDs[0]), drift.ID(sb.Fixtures().UserIDs[1])
	properties := []drift.CustomProperty{
		{Label: "Seats", Name: "seats", Type: "NUMBER", Value: jsontext.Value(`9007199254740993`)},
		{Label: "Regions", Name: "regions", Type: "ENUMARRAY", Value: jsontext.Value(`["EU","US"]`)},
	}
	made, err := client.CreateAccount(ctx, drift.NewAccount{
		OwnerID: owner, Name: "Ek & Co", Domain: "ek.example.com", Targeted: true, CustomProperties: properties,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := drift.Account{
		ID: made.ID, OwnerID: owner, Name: new("Ek & Co"), Domain: new("ek.example.com"), Targeted: true, CustomProperties: properties,
		CreatedAt: made.CreatedAt, UpdatedAt: made.UpdatedAt,
	}
	checkAccount(t, client, &want, made)

	changed, err := client.UpdateAccount(ctx, made.ID, drift.AccountChanges{OwnerID: other, Targeted: drift.Set(new(false))})
	if err != nil {
		t.Fatal(err)
	}
	want.OwnerID, want.Targeted, want.UpdatedAt = other, false, changed.UpdatedAt
	checkAccount(t, client, &want, changed) // what was not sent is left alone

	changed, err = client.UpdateAccount(ctx, made.ID, drift.AccountChanges{
		OwnerID: other, Name: drift.Set(new("Ek")), Domain: drift.Set(new("ek.example.org")),
		CustomProperties: drift.Set(&[]drift.CustomProperty{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want.Name, want.Domain, want.CustomProperties, want.UpdatedAt = new("Ek"), new("ek.example.org"), []drift.CustomProperty{}, changed.UpdatedAt
	checkAccount(t, client, &want, changed)

	_, err = client.CreateAccount(ctx, drift.NewAccount{OwnerID: owner, Name: "Ek", Domain: "ek.example.org"})
	checkRefusal(t, err, drift.ErrRefused, "")
	_, err = client.CreateAccount(ctx, drift.NewAccount{Domain: "new.example.org"})
	checkRefusal(t, err, drift.ErrRefused, "")
	_, err = client.UpdateAccount(ctx, "1_nobody", drift.AccountChanges{OwnerID: owner})
	checkRefusal(t, err, drift.ErrNotFound, "")

	if err := client.DeleteAccount(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	gone, err := client.Account(ctx, made.ID)
	if err != nil || !gone.Deleted {
		t.Errorf("the deleted account is %+v, %v", gone, err)
	}
	checkRefusal(t, client.DeleteAccount(ctx, made.ID), drift.ErrNotFound, "")
}

func TestDataRequests(t *testing.T) {
	sb, client := stand(t, sandbox.Config{})
	ctx := t.Context()
	made, err := client.CreateContact(ctx, drift.NewContact{Email: "ada@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.RequestDataRetrieval(ctx, "ada@example.com")
	if err != nil || got.Message == "" || got.SentToEmail == nil {
		t.Errorf("a retrieval gives %+v, %v", got, err)
	}
	checkCall(t, sb, "POST /gdpr/retrieve", `{"email":"ada@example.com"}`)
	checkContact(t, client, made)

	got, err = client.RequestDataDeletion(ctx, "ada@example.com")
	if err != nil || got.Message == "" || got.SentToEmail != nil {
		t.Errorf("a deletion gives %+v, %v", got, err)
	}
	_, err = client.Contact(ctx, made.ID)
	checkKind(t, err, drift.ErrNotFound)
	_, err = client.RequestDataDeletion(ctx, "")
	checkRefusal(t, err, drift.ErrRefused, "")
}

// TestFaultsOfWrites checks what is said of a write against what the sandbox did.
// It did nothing of a call that it dropped, and all of one whose answer it cut:
// the client cannot tell.
func TestFaultsOfWrites(t *testing.T) {
	const route = "POST /contacts"
	tests := []struct {
		fault   sandbox.Fault
		kind    error
		unknown bool
		made    int
	}{
		{sandbox.Fault{Kind: sandbox.Cut}, drift.ErrInvalid, true, 1},
		{sandbox.Fault{Kind: sandbox.Drop}, drift.ErrUnavailable, true, 0},
		{sandbox.Fault{Kind: sandbox.NotJSON, Status: 502}, drift.ErrUnavailable, true, 0},
		{sandbox.Fault{Kind: sandbox.NotJSON}, drift.ErrInvalid, true, 0},
		{sandbox.Fault{Kind: sandbox.Empty}, drift.ErrInvalid, true, 0},
		{sandbox.Fault{Kind: sandbox.Status, Status: 429}, drift.ErrRateLimited, false, 0},
	}
	for _, tt := range tests {
		sb, client := stand(t, sandbox.Config{})
		ctx := t.Context()
		tt.fault.Route = route
		sb.Inject(tt.fault)
		_, err := client.CreateContact(ctx, drift.NewContact{Email: "ada@example.com"})
		checkOutcome(t, err, tt.kind, tt.unknown)
		calls := 0
		for _, call := range sb.Calls() {
			if call.Method+" "+call.Route == route {
				calls++
			}
		}
		if calls != 1 {
			t.Errorf("%s: it was sent %d times", tt.fault.Kind, calls)
		}
		page, err := client.ContactsByEmail(ctx, drift.ContactQuery{Email: "ada@example.com"})
		if err != nil || len(page.Contacts) != tt.made {
			t.Errorf("%s: there are %d contacts, want %d; %v", tt.fault.Kind, len(page.Contacts), tt.made, err)
		}
	}
}

// TestScopesOfWrites checks that a token that may only read is told so.
func TestScopesOfWrites(t *testing.T) {
	sb, client := stand(t, sandbox.Config{Scopes: []string{"contact_read", "conversation_read", "user_read", "account_read"}})
	for _, w := range writes() {
		checkOutcome(t, w.call(t.Context(), client), drift.ErrForbidden, false)
	}
	if got, want := len(sb.Calls()), len(writes()); got != want {
		t.Errorf("%d calls came for %d writes", got, want)
	}
}

// stand returns a sandbox, whose present is always the same, and a client of it.
func stand(t *testing.T, config sandbox.Config) (*sandbox.Sandbox, *drift.Client) {
	t.Helper()
	config.Now = time.Date(2024, time.June, 18, 12, 0, 0, 0, time.UTC)
	sb := sandbox.New(config)
	server := httptest.NewServer(sb)
	t.Cleanup(server.Close)
	return sb, dial(t, server.URL, drift.Options{})
}

// checkRefusal fails the test if err is not a refusal of the kind that says why,
// with the code.
func checkRefusal(t *testing.T, err, kind error, code string) {
	t.Helper()
	checkOutcome(t, err, kind, false)
	if e, ok := errors.AsType[*drift.Error](err); !ok || e.Code != code || e.Type == "" || e.Message == "" {
		t.Errorf("the refusal is %#v, want the code %q and a reason", err, code)
	}
}

// checkContact fails the test if the sandbox does not hold the contact as it is.
func checkContact(t *testing.T, client *drift.Client, want *drift.Contact) {
	t.Helper()
	got, err := client.Contact(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the contact is not as it was answered (-answered +stored):\n%s", diff)
	}
}

// checkAttributes fails the test if the contact has other values for the names.
func checkAttributes(t *testing.T, contact *drift.Contact, want map[string]string) {
	t.Helper()
	var got map[string]jsontext.Value
	if err := json.Unmarshal(contact.Attributes, &got); err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if string(got[name]) != value {
			t.Errorf("the attribute %s is %s, want %s", name, got[name], value)
		}
	}
}

// checkMessage fails the test if the message is not one of that body and author.
func checkMessage(t *testing.T, m *drift.Message, body string, author drift.Author) {
	t.Helper()
	if m.Body == nil || *m.Body != body || m.Author != author {
		t.Errorf("the message is %+v, want %q by %+v", m, body, author)
	}
}

// checkUser fails the test if the user was not answered and stored as wanted.
func checkUser(t *testing.T, client *drift.Client, want, answered *drift.User) {
	t.Helper()
	if diff := cmp.Diff(want, answered); diff != "" {
		t.Errorf("the answer is not as expected (-want +got):\n%s", diff)
	}
	stored, err := client.User(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("the user is not as expected (-want +got):\n%s", diff)
	}
}

// checkAccount fails the test if the account was not answered and stored as
// wanted.
func checkAccount(t *testing.T, client *drift.Client, want, answered *drift.Account) {
	t.Helper()
	if diff := cmp.Diff(want, answered); diff != "" {
		t.Errorf("the answer is not as expected (-want +got):\n%s", diff)
	}
	stored, err := client.Account(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("the account is not as expected (-want +got):\n%s", diff)
	}
}

// checkCall fails the test if the last call was not that route with that body.
func checkCall(t *testing.T, sb *sandbox.Sandbox, route, body string) {
	t.Helper()
	calls := sb.Calls()
	last := calls[len(calls)-1]
	if got := last.Method + " " + last.Route; got != route || last.Body != body {
		t.Errorf("the last call was %s with %s, want %s with %s", got, last.Body, route, body)
	}
}
