package drift_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// token is the token that the tests call with. It looks like nothing else, so
// that a leak of it is seen.
const token = "s3cr3t-t0k3n"

// unread are the samples that no method returns: answers of legacy and SCIM
// routes and of the route that ends the app, and what Drift sends to webhooks.
var unread = []string{
	"app.uninstall.json",
	"contact.tags.legacy.json",
	"oauth2.token.json",              // read by TestOAuthAnswers
	"oauth2.token.legacy-camel.json", // read by TestOAuthAnswers
	"scim.user.get.json",
	"scim.users.list.json",
}

// A sample is a body of testdata, and how it is asked for.
type sample struct {
	file   string
	status int    // of the answer; 0 for 200
	query  string // that is to be sent: method, path and query
	body   string // that is to be sent; blank for none and where it does not matter
	ask    func(context.Context, *drift.Client) (any, error)
	want   any // a value, or an error's kind; nil if nothing is returned
}

func samples() []sample {
	contact := func(id drift.ID) func(context.Context, *drift.Client) (any, error) {
		return func(ctx context.Context, c *drift.Client) (any, error) { return c.Contact(ctx, id) }
	}
	account := func(id string) func(context.Context, *drift.Client) (any, error) {
		return func(ctx context.Context, c *drift.Client) (any, error) { return c.Account(ctx, id) }
	}
	conversation := func(id drift.ID) func(context.Context, *drift.Client) (any, error) {
		return func(ctx context.Context, c *drift.Client) (any, error) { return c.Conversation(ctx, id) }
	}
	messages := func(page string) func(context.Context, *drift.Client) (any, error) {
		return func(ctx context.Context, c *drift.Client) (any, error) {
			return c.Messages(ctx, 4512203877, page)
		}
	}
	conversations := func(page string) func(context.Context, *drift.Client) (any, error) {
		return func(ctx context.Context, c *drift.Client) (any, error) {
			return c.Conversations(ctx, drift.ConversationQuery{
				Statuses: []drift.ConversationStatus{drift.ConversationOpen, drift.ConversationPending},
				Limit:    50,
				Page:     page,
			})
		}
	}
	send := func(message drift.NewMessage) func(context.Context, *drift.Client) (any, error) {
		return func(ctx context.Context, c *drift.Client) (any, error) {
			return c.SendMessage(ctx, 4512203877, message)
		}
	}
	transcript := func(ctx context.Context, c *drift.Client) (any, error) {
		return c.Transcript(ctx, 4512203877)
	}

	maya := &drift.Contact{
		ID:              21840017345,
		CreatedAt:       1718704800000,
		Email:           new("maya.lind@example.com"),
		Name:            new("Maya Lind"),
		Phone:           new("555-010-2231"),
		ExternalID:      new("crm-7f31c2"),
		LastActiveAt:    1719482400000,
		LastContactedAt: 1719396000000,
	}
	enriched := *maya
	enriched.EmploymentDomain = "northwind.example.com"
	mayaToo := &drift.Contact{
		ID:         21840017912,
		CreatedAt:  1718710200000,
		Email:      new("maya.lind@example.com"),
		ExternalID: new("crm-90aa14"),
	}
	tomas := &drift.Contact{
		ID:         21840020006,
		CreatedAt:  1718791200000,
		Email:      new("tomas.ek@example.com"),
		Name:       new("Tomas Ek"),
		ExternalID: new("crm-c0ffee"),
	}
	tomasLater := *tomas
	tomasLater.Phone = new("555-010-8844")

	dottie := &drift.User{
		ID: 410003, OrgID: 48213, Name: new("Dottie"), Email: new("bot-48213@example.com"), Locale: new("en-US"),
		Availability: drift.Available, Role: drift.RoleMember, AvatarURL: new("https://cdn.example.com/a/bot.png"),
		Verified: new(true), Bot: true, CreatedAt: 1609455600000, UpdatedAt: 1718703900000,
	}
	iris := &drift.User{
		ID: 412077, OrgID: 48213, Name: new("Iris Falk"), Alias: new("Iris"), Email: new("iris.falk@example.com"),
		Phone: new("555-010-7781"), Locale: new("en-US"), Availability: drift.Available, Role: drift.RoleAdmin,
		TimeZone: new("Europe/Stockholm"), AvatarURL: new("https://cdn.example.com/a/iris.png"),
		Verified: new(true), CreatedAt: 1609459200000, UpdatedAt: 1718704801000,
	}
	jonas := &drift.User{
		ID: 412078, OrgID: 48213, Name: new("Jonas Berg"), Email: new("jonas.berg@example.com"), Locale: new("en-US"),
		Availability: drift.Offline, Role: drift.RoleAgent, TimeZone: new("America/New_York"),
		Verified: new(true), CreatedAt: 1612137600000, UpdatedAt: 1718704400000,
	}
	jonasLater := *jonas
	jonasLater.Availability = drift.Available
	jonasLater.UpdatedAt = 1718704807000
	jonasLater.Phone = new("555-010-9090")

	sales := &drift.Team{
		ID: 7301, OrgID: 48213, WorkspaceID: new("7d0c4b9e-6c1f-4a55-9a53-0e4c7f1b2d90"), Name: new("Sales"),
		UpdatedAt: 1718704800000, Members: []drift.ID{412077, 412078}, Owner: 412077, Status: drift.TeamEnabled,
		Main: true, AvailabilityMode: drift.TeamCustomHours, ResponseTimerEnabled: true,
	}
	support := &drift.Team{
		ID: 7302, OrgID: 48213, WorkspaceID: new("7d0c4b9e-6c1f-4a55-9a53-0e4c7f1b2d90"), Name: new("Support"),
		UpdatedAt: 1718704799500, Members: []drift.ID{412078}, Owner: 412077, Status: drift.TeamArchived,
		AutoOffline: true, CSATEnabled: true, AvailabilityMode: drift.TeamAlwaysOffline,
	}

	northwind := &drift.Account{
		ID: "48213_northwind.example.com", OwnerID: 412077, Name: new("Northwind Tools"), Domain: new("northwind.example.com"),
		CustomProperties: []drift.CustomProperty{
			{Label: "Annual revenue", Name: "annual_revenue", Type: "NUMBER", Value: jsontext.Value(`1250000`)},
			{Label: "Segment", Name: "segment", Type: "STRING", Value: jsontext.Value(`"Mid-market"`)},
		},
		Targeted: true, CreatedAt: 1715248800000, UpdatedAt: 1718704800000,
	}
	northwindLater := *northwind
	northwindLater.Name = new("Northwind Tools AB")
	northwindLater.UpdatedAt = 1718704809000
	harbor := &drift.Account{
		ID: "48213_harborlights.example.org", OwnerID: 412078, Name: new("Harbor Lights"), Domain: new("harborlights.example.org"),
		CustomProperties: []drift.CustomProperty{}, CreatedAt: 1717668000000, UpdatedAt: 1718618400000,
	}
	harborGone := *harbor
	harborGone.Deleted = true
	harborGone.UpdatedAt = 1718704802000
	pine := &drift.Account{
		ID: "48213_pine.example.net", OwnerID: 412077, Name: new("Pine and Co"), Domain: new("pine.example.net"),
		CustomProperties: []drift.CustomProperty{}, CreatedAt: 1718445600000, UpdatedAt: 1718532000000,
	}

	rowTomas := &drift.Conversation{
		ID: 4512204410, ContactID: 21840020006, InboxID: 91022, Status: drift.ConversationOpen,
		CreatedAt: 1718791200000, UpdatedAt: 1718791300000,
	}
	rowMaya := &drift.Conversation{
		ID: 4512203877, ContactID: 21840017345, InboxID: 91022, Status: drift.ConversationOpen,
		CreatedAt: 1718704860000, UpdatedAt: 1718708400000,
	}
	rowClosed := &drift.Conversation{
		ID: 4512203991, ContactID: 21840017912, InboxID: 91022, Status: drift.ConversationClosed,
		CreatedAt: 1718704920000, UpdatedAt: 1718705220000,
	}
	full := *rowMaya
	full.Participants = []drift.ID{410003, 412077}
	full.RelatedPlaybookID = 2210457
	full.Tags = []drift.Tag{{Name: "pricing", Color: "0A7F5C"}, {Name: "follow-up", Color: "C04848"}}

	none := jsontext.Value(`{}`)
	bot := drift.Author{ID: 410003, Type: drift.AuthorUser, Bot: true}
	welcome := &drift.Message{
		ID: 618840021171, OrgID: 48213, ConversationID: 4512203877, Type: drift.MessageChat,
		Body: new("<p>Welcome! What brings you here?</p>"), Author: bot, CreatedAt: 1718704860000, Attributes: none,
		Buttons: []drift.Button{
			{Label: new("Pricing"), Value: new("Pricing"), Type: new("reply")},
			{
				Label: new("Just looking"), Value: new("Just looking"), Type: new("reply"), Style: new("primary"),
				Reaction: &drift.ButtonReaction{Type: new("replace"), Message: new("No rush.")},
			},
		},
	}
	pricing := &drift.Message{
		ID: 618840021184, OrgID: 48213, ConversationID: 4512203877, Type: drift.MessageChat, Body: new("Pricing"),
		Author: drift.Author{ID: 21840017345, Type: drift.AuthorContact}, CreatedAt: 1718704890000,
		Context: &drift.MessageContext{
			IP: new("203.0.113.24"), UserAgent: new("Mozilla/5.0 (X11; Linux x86_64)"),
			Href: new("https://www.example.com/pricing"), Title: new("Pricing"), Referrer: new("https://search.example.com/"),
			Locale: new("en-GB"), TimeZone: new("Europe/Stockholm"),
			Location: &drift.Location{
				City: new("Malmo"), Region: new("Skane"), Country: new("SE"), CountryName: new("Sweden"),
				PostalCode: new("21119"), Latitude: new(55.6), Longitude: new(13.0),
			},
		},
		Attributes: jsontext.Value(`{"preMessages":[{"body":"<p>Welcome! What brings you here?</p>","sender":{"id":410003}}]}`),
	}
	note := &drift.Message{
		ID: 618840021197, OrgID: 48213, ConversationID: 4512203877, Type: drift.MessagePrivateNote,
		Body: new("Checking the CRM first."), Author: drift.Author{ID: 412077, Type: drift.AuthorUser},
		CreatedAt: 1718704950000, Attributes: none,
	}
	rates := &drift.Message{
		ID: 618840021210, OrgID: 48213, ConversationID: 4512203877, Type: drift.MessageChat,
		Body: new("<p>Here is the rate card.</p>"), Author: drift.Author{ID: 412077, Type: drift.AuthorUser},
		CreatedAt: 1718704980000, Attributes: jsontext.Value(`{"developer_app_id":"app_5521"}`),
		Attachments: []drift.Attachment{{
			ID: 731905, FileName: new("rates.pdf"), MimeType: new("application/pdf"),
			URL: new("https://driftapi.com/attachments/731905/data"),
		}},
	}
	created := &drift.Message{
		ID: 618840021236, ConversationID: 4512203877, Type: drift.MessageChat, Body: rates.Body, Author: bot,
		CreatedAt: 1718704990000, Attributes: jsontext.Value(`{"developer_app_id":"app_5521"}`),
		Buttons: []drift.Button{{Label: new("Book a call"), Value: new("Book a call"), Type: new("reply")}},
	}

	return []sample{
		{file: "contact.get.json", query: "GET /contacts/21840017345", ask: contact(21840017345), want: maya},
		{file: "contact.get.enriched.json", ask: contact(21840017345), want: &enriched},
		{
			file:  "contact.create.json",
			query: "POST /contacts",
			body:  `{"attributes":{"email":"tomas.ek@example.com","externalId":"crm-c0ffee","name":"Tomas Ek"}}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.CreateContact(ctx, drift.NewContact{
					Email: "tomas.ek@example.com", ExternalID: "crm-c0ffee", Attributes: jsontext.Value(`{"name":"Tomas Ek"}`),
				})
			},
			want: tomas,
		},
		{
			file:  "contact.update.json",
			query: "PATCH /contacts/21840020006",
			body:  `{"attributes":{"phone":"555-010-8844","seats":9007199254740993,"plan_tier":null}}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.UpdateContact(ctx, 21840020006, jsontext.Value(`{"phone":"555-010-8844","seats":9007199254740993,"plan_tier":null}`))
			},
			want: &tomasLater,
		},
		{
			file:  "contact.update-normalized.json",
			query: "PATCH /contacts/normalize?id=crm%2Fc0+ffee&idType=external",
			body:  `{"attributes":{}}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.UpdateContactByExternalID(ctx, "crm/c0 ffee", jsontext.Value(`{}`))
			},
			want: &tomasLater,
		},
		{
			file:   "contact.delete.json",
			status: 202,
			query:  "DELETE /contacts/21840020006",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return nil, c.DeleteContact(ctx, 21840020006)
			},
		},
		{
			file:  "emails.unsubscribe.json",
			query: "POST /emails/unsubscribe",
			body:  `["maya.lind@example.com","tomas.ek@example.com"]`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return nil, c.UnsubscribeEmails(ctx, []string{"maya.lind@example.com", "tomas.ek@example.com"})
			},
		},
		{
			file:  "contacts.timeline.create.json",
			query: "POST /contacts/timeline",
			body:  `{"contactId":21840017345,"event":"Invoice paid (Ledger Sync)","createdAt":1718794800000}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.CreateTimelineEvent(ctx, drift.NewTimelineEvent{
					ContactID: 21840017345, Event: "Invoice paid (Ledger Sync)", CreatedAt: 1718794800000,
				})
			},
			want: &drift.TimelineEvent{ContactID: 21840017345, Event: "invoice paid (ledger sync)", CreatedAt: 1718794800000},
		},
		{
			file:  "contacts.by-email.json",
			query: "GET /contacts?email=maya.lind%40example.com&limit=40",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.ContactsByEmail(ctx, drift.ContactQuery{Email: "maya.lind@example.com", Limit: 40})
			},
			want: &drift.ContactPage{Contacts: []*drift.Contact{maya, mayaToo}},
		},
		{
			file:  "contacts.by-email.empty.json",
			query: "GET /contacts?email=nobody%40example.com",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.ContactsByEmail(ctx, drift.ContactQuery{Email: "nobody@example.com"})
			},
			want: &drift.ContactPage{Contacts: []*drift.Contact{}},
		},
		{
			file:  "contacts.by-external-id.json",
			query: "GET /contacts?id=crm-7f31c2&id=crm-90aa14&idType=external",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.ContactsByExternalID(ctx, []string{"crm-7f31c2", "crm-90aa14"})
			},
			want: []*drift.Contact{maya, mayaToo},
		},
		{
			file:  "contacts.attributes.json",
			query: "GET /contacts/attributes",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.ContactAttributes(ctx) },
			want: []*drift.ContactAttribute{
				{Name: "plan_tier", DisplayName: "Plan tier", Type: drift.AttributeString},
				{Name: "seats", DisplayName: "Seats", Type: drift.AttributeNumeric},
				{Name: "is_partner", DisplayName: "Is partner", Type: drift.AttributeBoolean},
				{Name: "renewal_at", DisplayName: "Renewal at", Type: drift.AttributeDateTime},
				{Name: "first_invoice", DisplayName: "First invoice", Type: drift.AttributeDate},
				{Name: "city", DisplayName: "City", Type: drift.AttributeString},
			},
		},
		{
			file:  "user.get.json",
			query: "GET /users/412077",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.User(ctx, 412077) },
			want:  iris,
		},
		{
			file:  "user.update.json",
			query: "PATCH /users/update?userId=412078",
			body:  `{"alias":null,"phone":"555-010-9090","availability":"AVAILABLE"}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.UpdateUser(ctx, 412078, drift.UserChanges{
					Alias: drift.Set[string](nil), Phone: drift.Set(new("555-010-9090")), Availability: drift.Set(new(drift.Available)),
				})
			},
			want: &jonasLater,
		},
		{
			file:  "users.by-ids.json",
			query: "GET /users?userId=412077&userId=412078&userId=5",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.UsersByID(ctx, []drift.ID{412077, 412078, 5})
			},
			want: map[drift.ID]*drift.User{412077: iris, 412078: jonas},
		},
		{
			file:  "users.list.json",
			query: "GET /users/list",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.Users(ctx) },
			want:  []*drift.User{dottie, iris, jonas},
		},
		{
			file:  "users.meetings.org.json",
			query: "GET /users/meetings/org?limit=1000&max_start_time=1719000000000&min_start_time=0",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.Meetings(ctx, 0, 1719000000000, 5000)
			},
			want: []*drift.Meeting{
				{
					ConversationID: 4512203877, AgentID: 412077, OrgID: 48213, Status: drift.MeetingActive,
					Source: new("EMAIL_DROP"), SchedulerID: 21840017345, EventID: new("evt_0c9a77b1"), Slug: new("mtg-5f2e41"),
					SlotStart: 1718877600000, SlotEnd: 1718879400000, UpdatedAt: 1718791200000, ScheduledAt: 1718791200000,
					Type: new("New Meeting"), MeetingSlug: new("intro-30"), EndUserTimeZone: new("Europe/Stockholm"),
					ConferenceType: new("ZOOM"), JoinURL: new("https://meet.example.com/j/99120"),
				},
				{
					ConversationID: 4512203991, AgentID: 412078, OrgID: 48213, Status: drift.MeetingCanceled,
					Source: new("WIDGET"), SchedulerID: 21840017912, EventID: new("evt_77bd10e3"), Slug: new("mtg-81ac02"),
					SlotStart: 1718964000000, SlotEnd: 1718965800000, UpdatedAt: 1718877600000, ScheduledAt: 1718791200000,
					Type: new("Follow Up"), EndUserTimeZone: new("America/New_York"), Notes: new("Please bring the quote."),
					BookedBy: 412078, ConferenceType: new("GOOGLE_MEET"), Private: true,
				},
			},
		},
		{
			file:  "teams.org.json",
			query: "GET /teams/org",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.Teams(ctx) },
			want:  []*drift.Team{sales, support},
		},
		{
			file:  "teams.users.json",
			query: "GET /teams/users/412077",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.TeamsOf(ctx, 412077) },
			want:  []*drift.Team{sales},
		},
		{file: "conversation.get.json", query: "GET /conversations/4512203877", ask: conversation(4512203877), want: &full},
		{file: "conversation.get.minimal.json", ask: conversation(4512203991), want: rowClosed},
		{
			file:  "conversation.new.json",
			query: "POST /conversations/new",
			body:  `{"email":"tomas.ek@example.com","message":{"body":"Hello","attributes":{"integrationSource":"Ledger Sync","autoAssigneeId":412077}}}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.StartConversation(ctx, drift.NewConversation{
					Email: "tomas.ek@example.com", Body: "Hello", IntegrationSource: "Ledger Sync", AutoAssigneeID: 412077,
				})
			},
			want: &drift.Conversation{
				ID: 4512204410, ContactID: 21840020006, InboxID: 91022, Status: drift.ConversationOpen,
				CreatedAt: 1718791200000, Participants: []drift.ID{412077},
			},
		},
		{
			file:  "conversations.list.json",
			query: "GET /conversations/list?limit=50&statusId=1&statusId=3",
			ask:   conversations(""),
			want:  &drift.ConversationPage{Conversations: []*drift.Conversation{rowTomas, rowMaya}, Next: "c2FtcGxlLW5leHQ"},
		},
		{
			file:  "conversations.list.last-page.json",
			query: "GET /conversations/list?page_token=c2FtcGxlLW5leHQ",
			ask:   conversations("c2FtcGxlLW5leHQ"),
			want:  &drift.ConversationPage{Conversations: []*drift.Conversation{rowClosed}},
		},
		{
			file:  "conversations.list.legacy.json",
			query: "GET /conversations/list?limit=50&next=77&statusId=1&statusId=3",
			ask:   conversations(drift.CursorPage + "77"),
			want: &drift.ConversationPage{
				Conversations: []*drift.Conversation{rowTomas, rowMaya, rowClosed},
				Next:          drift.CursorPage + "4512203877",
			},
		},
		{
			file:  "conversations.stats.json",
			query: "GET /conversations/stats",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.ConversationStats(ctx) },
			want:  &drift.ConversationStats{Open: 37, Closed: 1904, Pending: 12},
		},
		{
			file:  "conversation.messages.json",
			query: "GET /conversations/4512203877/messages",
			ask:   messages(""),
			want:  &drift.MessagePage{Messages: []*drift.Message{welcome, pricing, note}, Next: "2"},
		},
		{
			file:  "conversation.messages.last-page.json",
			query: "GET /conversations/4512203877/messages?next=2",
			ask:   messages("2"),
			want:  &drift.MessagePage{Messages: []*drift.Message{rates}},
		},
		{file: "conversation.message.create.list-variant.json", ask: messages(""), want: &drift.MessagePage{Messages: []*drift.Message{created}}},
		{file: "conversation.message.create.list-variant.json", ask: send(drift.NewMessage{Body: "x"}), want: created},
		{
			file:  "conversation.message.create.json",
			query: "POST /conversations/4512203877/messages",
			body:  `{"type":"chat","body":"<p>Here is the rate card.</p>","buttons":[{"label":"Book a call","value":"Book a call","type":"reply"}]}`,
			ask:   send(drift.NewMessage{Body: "<p>Here is the rate card.</p>", Buttons: created.Buttons}),
			want:  created,
		},
		{
			file: "conversation.message.create.json",
			body: `{"type":"private_note","body":"Call them.","userId":412077}`,
			ask:  send(drift.NewMessage{Type: drift.MessagePrivateNote, Body: "Call them.", AuthorID: 412077}),
			want: created,
		},
		{
			file: "conversation.json_transcript.json",
			ask:  messages(""),
			want: &drift.MessagePage{Messages: []*drift.Message{
				{ID: 618840021171, ConversationID: 4512203877, Type: drift.MessageChat, Body: welcome.Body, Author: bot, CreatedAt: 1718704860000},
				{ID: 618840021184, ConversationID: 4512203877, Type: drift.MessageChat, Body: pricing.Body, Author: pricing.Author, CreatedAt: 1718704890000},
				{ID: 618840021210, ConversationID: 4512203877, Type: drift.MessageChat, Body: rates.Body, Author: rates.Author, CreatedAt: 1718704980000},
			}},
		},
		{
			file:  "conversation.transcript.txt",
			query: "GET /conversations/4512203877/transcript",
			ask:   transcript,
			want: "Jun 18, 03:01:00 AM PDT Dottie (Agent): Welcome! What brings you here?\n" +
				"Jun 18, 03:01:30 AM PDT Maya Lind: Pricing\n" +
				"Jun 18, 03:03:00 AM PDT Iris Falk: Here is the rate card.\n",
		},
		{
			file: "conversation.transcript.wrapped.json",
			ask:  transcript,
			want: "Jun 18, 03:01:00 AM PDT Dottie (Agent): Welcome! What brings you here?\n" +
				"Jun 18, 03:01:30 AM PDT Maya Lind: Pricing",
		},
		{
			file:  "reports.conversations.json",
			query: "POST /reports/conversations",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.ConversationReport(ctx, drift.ReportQuery{Metrics: []string{"timeToCloseMillis"}})
			},
			want: &drift.Report{Count: 2, Rows: []drift.ReportRow{
				{ConversationID: 4512203877, Metrics: []jsontext.Value{jsontext.Value("4941610"), jsontext.Value("1208305"), jsontext.Value("1718704950000"), jsontext.Value("2210457")}},
				{ConversationID: 4512203991, Metrics: []jsontext.Value{jsontext.Value("301200"), jsontext.Value("null"), jsontext.Value("null"), jsontext.Value("2210457")}},
			}},
		},
		{file: "account.get.json", query: "GET /accounts/48213_northwind.example.com", ask: account(northwind.ID), want: northwind},
		{file: "account.get.deleted.json", ask: account(harbor.ID), want: &harborGone},
		{
			file:  "account.create.json",
			query: "POST /accounts/create",
			body: `{"ownerId":412077,"name":"Northwind Tools","domain":"northwind.example.com","targeted":true,"customProperties":[` +
				`{"label":"Annual revenue","name":"annual_revenue","type":"NUMBER","value":1250000},{"label":"Segment","name":"segment","type":"STRING","value":"Mid-market"}]}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.CreateAccount(ctx, drift.NewAccount{
					OwnerID: 412077, Name: *northwind.Name, Domain: *northwind.Domain, Targeted: true, CustomProperties: northwind.CustomProperties,
				})
			},
			want: northwind,
		},
		{
			file:  "account.update.json",
			query: "PATCH /accounts/update",
			body:  `{"accountId":"48213_northwind.example.com","ownerId":412077,"name":"Northwind Tools AB","targeted":false}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.UpdateAccount(ctx, northwind.ID, drift.AccountChanges{
					OwnerID: 412077, Name: drift.Set(new("Northwind Tools AB")), Targeted: drift.Set(new(false)),
				})
			},
			want: &northwindLater,
		},
		{
			file:  "account.delete.json",
			query: "DELETE /accounts/48213_northwind.example.com",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return nil, c.DeleteAccount(ctx, northwind.ID)
			},
		},
		{
			file:  "gdpr.retrieve.json",
			query: "POST /gdpr/retrieve",
			body:  `{"email":"maya.lind@example.com"}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.RequestDataRetrieval(ctx, "maya.lind@example.com")
			},
			want: &drift.DataRequest{Message: "Export queued; the result will be mailed to the requesting admin", SentToEmail: new("owner@example.com")},
		},
		{
			file:  "gdpr.delete.json",
			query: "POST /gdpr/delete",
			body:  `{"email":"maya.lind@example.com"}`,
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.RequestDataDeletion(ctx, "maya.lind@example.com")
			},
			want: &drift.DataRequest{Message: "Deletion queued"},
		},
		{
			file:  "accounts.list.json",
			query: "GET /accounts?index=0&size=65",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.Accounts(ctx, 0, 100) },
			want:  &drift.AccountPage{Accounts: []*drift.Account{northwind, harbor}, Next: 2},
		},
		{
			file:  "accounts.list.last-page.json",
			query: "GET /accounts?index=2",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.Accounts(ctx, 2, 0) },
			want:  &drift.AccountPage{Accounts: []*drift.Account{pine}},
		},
		{
			file:  "playbooks.list.json",
			query: "GET /playbooks/list",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.Playbooks(ctx) },
			want: []*drift.Playbook{{
				ID: 2210457, OrgID: 48213, InteractionID: 611204, CreatedAuthorID: 412077, UpdatedAuthorID: 412078,
				Name: new("Pricing page greeter"), ReportType: new("BOOK_MORE_MEETINGS"), Meta: none,
				CreatedAt: 1710928800000, UpdatedAt: 1718445600000,
				Goals: []drift.Goal{
					{ID: new("0d6f0f2a-3d6e-4f1c-9a11-6b1a5f6a0b01"), Message: new("Thanks, a rep will follow up.")},
					{ID: new("1e7a1b3c-4e7f-4a2d-8b22-7c2b6a7b1c02"), Message: new("Enjoy the docs!")},
				},
			}},
		},
		{
			file:  "playbooks.clp.json",
			query: "GET /playbooks/clp",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.LandingPages(ctx) },
			want: []*drift.LandingPage{
				{PlaybookID: 2210611, PlaybookName: new("Webinar landing"), URL: new("https://talk.example.com/webinar")},
				{PlaybookID: 2210612, PlaybookName: new("Partner landing"), URL: new("https://talk.example.com/partners")},
			},
		},
		{
			file:  "app.token_info.json",
			query: "POST /app/token_info",
			ask:   func(ctx context.Context, c *drift.Client) (any, error) { return c.TokenInfo(ctx) },
			want: &drift.TokenInfo{
				OrgID: 48213, CredentialID: "app_5521", CreatedAt: 1714550400000,
				Scopes: []string{"contact_read", "contact_write", "conversation_read", "conversation_write", "user_read", "account_read", "playbook_read"},
			},
		},
		{
			file: "conversation.message.create.json",
			ask: func(ctx context.Context, c *drift.Client) (any, error) {
				return c.Messages(ctx, 4512203877, "")
			},
			want: drift.ErrInvalid, // one message is not a page of them
		},
		{file: "error.400.account-duplicate-domain.json", status: 400, ask: contact(1), want: drift.ErrRefused},
		{file: "error.400.contact-no-attributes.json", status: 400, ask: contact(1), want: drift.ErrRefused},
		{file: "error.400.contact-no-email.json", status: 400, ask: contact(1), want: drift.ErrRefused},
		{file: "error.400.validation.json", status: 400, ask: contact(1), want: drift.ErrRefused},
		{file: "error.401.invalid-token.json", status: 401, ask: contact(1), want: drift.ErrUnauthorized},
		{file: "error.403.missing-scope.json", status: 403, ask: contact(1), want: drift.ErrForbidden},
		{file: "error.404.contact.json", status: 404, ask: contact(1), want: drift.ErrNotFound},
		{file: "error.404.not-found.json", status: 404, ask: contact(1), want: drift.ErrNotFound},
		{file: "error.409.contact-conflict.json", status: 409, ask: contact(1), want: drift.ErrRefused},
		{file: "error.429.rate-limit.json", status: 429, ask: contact(1), want: drift.ErrRateLimited},
		{file: "error.500.internal.json", status: 500, ask: contact(1), want: drift.ErrUnavailable},
		{file: "error.legacy-errors-array.json", status: 400, ask: contact(1), want: drift.ErrRefused},
	}
}

func TestSamples(t *testing.T) {
	for _, tt := range samples() {
		t.Run(tt.file, func(t *testing.T) {
			var got *http.Request
			var sent []byte
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r
				var err error
				if sent, err = io.ReadAll(r.Body); err != nil {
					t.Error(err)
				}
				if tt.status != 0 {
					w.WriteHeader(tt.status)
				}
				w.Write(read(t, tt.file))
			})
			value, err := tt.ask(t.Context(), client)
			if kind, failed := tt.want.(error); failed {
				if !errors.Is(err, kind) {
					t.Errorf("got %v, want %v", err, kind)
				}
			} else if err != nil {
				t.Fatal(err)
			} else if diff := cmp.Diff(tt.want, value, cmpopts.IgnoreFields(drift.Contact{}, "Attributes")); diff != "" {
				t.Errorf("the answer is not as expected (-want +got):\n%s", diff)
			}
			if asked := got.Method + " " + got.URL.RequestURI(); tt.query != "" && asked != tt.query {
				t.Errorf("asked %s, want %s", asked, tt.query)
			}
			if tt.body != "" && string(sent) != tt.body {
				t.Errorf("sent %s, want %s", sent, tt.body)
			}
			if tt.body == "" && got.Method == http.MethodDelete && len(sent) > 0 {
				t.Errorf("sent %s, want no body", sent)
			}
			if got := got.Header.Get("Authorization"); got != "Bearer "+token {
				t.Errorf("the call was made with the authorization %q", got)
			}
		})
	}
}

// TestSamplesAreComplete fails for a sample that nothing reads and nothing says
// so.
func TestSamplesAreComplete(t *testing.T) {
	known := map[string]bool{}
	for _, name := range unread {
		known[name] = true
	}
	for _, s := range samples() {
		known[s.file] = true
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.IsDir() || strings.HasPrefix(f.Name(), "webhook.") {
			continue
		}
		if !known[f.Name()] {
			t.Errorf("testdata/%s is neither read by a test nor listed as unread", f.Name())
		}
		delete(known, f.Name())
	}
	for name := range known {
		t.Errorf("testdata/%s is not there", name)
	}
}

// TestAttributesAreKept checks that the attributes are all there, in the order
// of Drift's, and nothing but blanks is changed in them.
func TestAttributesAreKept(t *testing.T) {
	body := read(t, "contact.get.enriched.json")
	client := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
	contact, err := client.Contact(t.Context(), 21840017345)
	if err != nil {
		t.Fatal(err)
	}
	var sent struct {
		Data struct {
			Attributes jsontext.Value `json:"attributes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		t.Fatal(err)
	}
	want := sent.Data.Attributes
	if err := want.Compact(); err != nil {
		t.Fatal(err)
	}
	if got := contact.Attributes; string(got) != string(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// serve returns a client of a server that answers all calls with the handler.
func serve(t testing.TB, handler http.HandlerFunc) *drift.Client {
	t.Helper()
	return dial(t, listen(t, handler), drift.Options{})
}

// listen returns the URL of a server that answers all calls with the handler.
func listen(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// dial returns a client of the server at the URL, with the given settings.
func dial(t testing.TB, base string, o drift.Options) *drift.Client {
	t.Helper()
	o.BaseURL = base
	if o.Auth == nil {
		o.Auth = drift.StaticToken(token)
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	client, err := drift.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// read returns a file of testdata.
func read(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}
