package sandbox_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"image/png"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/driftgraph/driftgraph/sandbox"
)

// A conversation is what these tests read of one.
type conversation struct {
	ID, ContactID, CreatedAt, UpdatedAt int64
	Status                              string
	Participants                        []int64
	RelatedPlaybookID                   int64
	ConversationTags                    []struct{ Name, Color string }
}

// A conversationPage is a page of a list, in the new form and the old.
type conversationPage struct {
	Data       []conversation
	Links      struct{ Self, Next string }
	Pagination struct {
		More bool
		Next string
	}
}

// A message is what these tests read of one.
type message struct {
	ID, ConversationID, CreatedAt int64
	Type, Body                    string
	Author                        struct {
		ID   int64
		Type string
		Bot  bool
	}
	Buttons     []struct{ Label, Type string }
	Attachments []struct {
		ID                 int64
		FileName, MIMEType string
		URL                string
	}
	Context    *struct{ IP string }
	Attributes struct {
		DeveloperAppID string `json:"developer_app_id"`
		PreMessages    []struct{ Body string }
	}
	EditedMessageID int64
	EditType        string
}

// listConversations follows links.next to the end.
func listConversations(t *testing.T, c *client, path string) (all []conversation, pages int) {
	t.Helper()
	for path != "" {
		var page conversationPage
		read(t, c.get(path), &page)
		all, pages, path = append(all, page.Data...), pages+1, ""
		for _, link := range []string{page.Links.Self, page.Links.Next} {
			if link == "" {
				continue
			}
			u, err := url.Parse(link)
			if err != nil || u.Host != "api.drift.com" || u.Query().Get("page_token") == "" {
				t.Fatalf("link %q: %v", link, err)
			}
		}
		path = strings.TrimPrefix(page.Links.Next, "https://api.drift.com")
	}
	return all, pages
}

// listMessages follows pagination.next to the end.
func listMessages(t *testing.T, c *client, id int64) (all []message, pages int) {
	t.Helper()
	next := ""
	for {
		var page struct {
			Data       struct{ Messages []message }
			Pagination struct {
				More bool
				Next string
			}
		}
		read(t, c.get(fmt.Sprintf("/conversations/%d/messages?next=%s", id, next)), &page)
		all, pages, next = append(all, page.Data.Messages...), pages+1, page.Pagination.Next
		if page.Pagination.More != (next != "") {
			t.Fatalf("pagination of %d: %+v", id, page.Pagination)
		}
		if next == "" {
			return all, pages
		}
	}
}

func conversationIDs(list []conversation) (ids []int64) {
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

// TestConversationPages reads the list to its end with any limit and any filter, while new messages bring conversations to
// its top.
func TestConversationPages(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1, Conversations: 90})
	names := map[string]string{"1": "open", "2": "closed", "3": "pending"}
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 200).Draw(rt, "limit")
		statuses := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1", "2", "3"}), 0, 3, rapid.ID[string]).Draw(rt, "statuses")
		legacy := rapid.Bool().Draw(rt, "legacy")
		busy := rapid.SampledFrom(s.Fixtures().ConversationIDs).Draw(rt, "busy")

		var want []int64
		everything, _ := listConversations(t, c, "/conversations/list?limit=100")
		for _, row := range everything {
			if len(statuses) == 0 || slices.ContainsFunc(statuses, func(id string) bool { return names[id] == row.Status }) {
				want = append(want, row.ID)
			}
		}
		query := url.Values{"limit": {fmt.Sprint(limit)}, "statusId": statuses}
		if legacy {
			query.Set("next", "")
			limit = min(limit, 50)
		}
		limit = min(limit, 100)
		path := "/conversations/list?" + query.Encode()
		var got []int64
		for first := true; path != ""; first = false {
			var page conversationPage
			read(t, c.get(path), &page)
			got, path = append(got, conversationIDs(page.Data)...), strings.TrimPrefix(page.Links.Next, "https://api.drift.com")
			if page.Pagination.More {
				query.Set("next", page.Pagination.Next)
				path = "/conversations/list?" + query.Encode()
			}
			if path != "" && len(page.Data) != limit {
				rt.Fatalf("a page of %d rows before the last one, limit %d", len(page.Data), limit)
			}
			if first && slices.Contains(got, busy) {
				c.post(fmt.Sprintf("/conversations/%d/messages", busy), object{"type": "chat", "body": "Hello"})
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got %v\nwant %v", got, want)
		}
	})
}

func TestConversationList(t *testing.T) {
	s, c := serve(t, sandbox.Config{})
	all, pages := listConversations(t, c, "/conversations/list")
	equal(t, "all conversations", conversationIDs(all), s.Fixtures().ConversationIDs)
	equal(t, "pages of 25", pages, 24)
	_, pages = listConversations(t, c, "/conversations/list?limit=1000&page_token=")
	equal(t, "pages of the maximum", pages, 6)

	var first, other conversationPage
	read(t, c.get("/conversations/list?limit=3&statusId=2"), &first)
	token := strings.TrimPrefix(first.Links.Next, "https://api.drift.com")
	read(t, c.get(token+"&limit=50&statusId=1"), &other)
	if len(other.Data) != 3 || other.Data[0].Status != "closed" {
		t.Errorf("the token did not win over other parameters: %+v", other.Data)
	}
	read(t, c.get(strings.TrimPrefix(first.Links.Self, "https://api.drift.com")), &other)
	equal(t, "links.self", other.Data, first.Data)
	for _, query := range []string{"limit=0", "limit=-1", "limit=ten", "statusId=4", "statusId=OPEN", "page_token=x", "page_token=e30", "next=a"} {
		c.refused(c.do("GET", "/conversations/list?"+query, nil), 400, "validation_error")
	}
	_, strict := serve(t, sandbox.Config{StrictLimits: true})
	strict.refused(strict.do("GET", "/conversations/list?limit=101", nil), 400, "validation_error")
	strict.refused(strict.do("GET", "/conversations/list?limit=51&next=", nil), 400, "validation_error")
	strict.get("/conversations/list?limit=100")
}

func TestConversationStats(t *testing.T) {
	_, c := serve(t, sandbox.Config{})
	var stats struct{ ConversationCount map[string]int }
	read(t, c.get("/conversations/stats"), &stats)
	for status, id := range map[string]int{"OPEN": 1, "CLOSED": 2, "PENDING": 3} {
		all, _ := listConversations(t, c, fmt.Sprint("/conversations/list?limit=100&statusId=", id))
		if len(all) == 0 || stats.ConversationCount[status] != len(all) {
			t.Errorf("%s: counted %d, listed %d", status, stats.ConversationCount[status], len(all))
		}
	}
}

func TestMessagePages(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1, Conversations: 8, MinMessages: 100, MaxMessages: 100})
	id := s.Fixtures().ConversationIDs[0]
	path := fmt.Sprintf("/conversations/%d/messages", id)
	for want := 100; want < 103; want++ {
		all, pages := listMessages(t, c, id)
		equal(t, "messages", len(all), want)
		equal(t, "pages", pages, (want+49)/50)
		seen := map[int64]bool{}
		for i, m := range all {
			if seen[m.ID] || m.ConversationID != id || i > 0 && (m.CreatedAt <= all[i-1].CreatedAt || m.ID <= all[i-1].ID) {
				t.Fatalf("message %d is out of order: %+v", i, m)
			}
			seen[m.ID] = true
		}
		c.post(path, object{"type": "chat", "body": "One more"})
	}
	if got := string(c.get(path + "?next=9").body); got != `{"data":{"messages":[]},"pagination":{"more":false}}` {
		t.Errorf("after the end: %s", got)
	}
	c.refused(c.do("GET", path+"?next=0", nil), 400, "validation_error")
	c.refused(c.do("GET", path+"?next=two", nil), 400, "validation_error")
	for _, rest := range []string{"", "/messages", "/transcript", "/json_transcript"} {
		c.refused(c.do("GET", "/conversations/1"+rest, nil), 404, "not_found")
	}
}

// TestMessageCreate writes into a conversation and looks for the traces in all that can be read.
func TestMessageCreate(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	f := s.Fixtures()
	id := f.ConversationIDs[30]
	path := fmt.Sprintf("/conversations/%d/messages", id)
	writer := data[user](t, c.get(fmt.Sprint("/users/", f.UserIDs[5])))

	created := data[message](t, c.post(path, object{"type": "chat", "body": "<p>A &amp; B</p>", "userId": writer.ID}))
	if created.Author.ID != writer.ID || created.Author.Bot || created.ConversationID != id || created.Attributes.DeveloperAppID == "" {
		t.Errorf("created %+v", created)
	}
	byBot := data[message](t, c.post(path, object{"type": "private_note", "body": "Seen", "buttons": []object{{"label": "Yes", "value": "y"}}}))
	if byBot.Author.ID != f.BotID || !byBot.Author.Bot || byBot.Type != "private_note" || len(byBot.Buttons) != 1 {
		t.Errorf("created without a user: %+v", byBot)
	}
	all, _ := listMessages(t, c, id)
	equal(t, "the last two messages", []int64{all[len(all)-2].ID, all[len(all)-1].ID}, []int64{created.ID, byBot.ID})

	read := data[conversation](t, c.get(fmt.Sprint("/conversations/", id)))
	if !slices.Contains(read.Participants, writer.ID) || !slices.Contains(read.Participants, f.BotID) || read.UpdatedAt != byBot.CreatedAt {
		t.Errorf("the conversation afterwards: %+v", read)
	}
	list, _ := listConversations(t, c, "/conversations/list?limit=100")
	equal(t, "the top of the list", list[0].ID, id)
	equal(t, "how many are listed", len(list), len(f.ConversationIDs))
	transcript := string(c.get(fmt.Sprintf("/conversations/%d/transcript", id)).body)
	if !strings.Contains(transcript, writer.Name+": A & B\n") || strings.Contains(transcript, "Seen") {
		t.Errorf("transcript:\n%s", transcript)
	}

	edit := data[message](t, c.post(path, object{"type": "edit", "editedMessageId": created.ID, "editType": "delete"}))
	if edit.EditedMessageID != created.ID || edit.EditType != "delete" {
		t.Errorf("an edit of the old kind: %+v", edit)
	}
	for _, body := range []any{
		"no JSON", object{"body": "no type"}, object{"type": "shout", "body": "a"}, object{"type": "chat"},
		object{"type": "chat", "body": "a", "buttons": []object{{"value": "no label"}}}, object{"type": "chat", "body": "a", "userId": "x"},
	} {
		c.refused(c.do("POST", path, body), 400, "validation_error")
	}
	c.refused(c.do("POST", path, object{"type": "chat", "body": "a", "userId": f.RemovedUserID}), 404, "not_found")
	c.refused(c.do("POST", "/conversations/1/messages", object{"type": "chat", "body": "a"}), 404, "not_found")
	c.refused(c.do("POST", path, object{"type": "chat", "body": strings.Repeat("a", 2<<20)}), 400, "validation_error")
}

func TestConversationCreate(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	f := s.Fixtures()
	var made conversation
	start := func(body object) conversation {
		made = conversation{}
		read(t, c.post("/conversations/new", body), &made)
		return made
	}
	start(object{"email": f.SharedEmail, "message": object{"body": "Hello", "attributes": object{"autoAssigneeId": f.UserIDs[4], "integrationSource": "Message from a form"}}})
	if made.ContactID != f.SharedEmailContacts[0] || made.UpdatedAt != 0 || made.Status != "open" {
		t.Errorf("with a known email: %+v", made)
	}
	equal(t, "participants", made.Participants, f.UserIDs[4:5])
	messages, _ := listMessages(t, c, made.ID)
	if len(messages) != 1 || messages[0].Author.ID != made.ContactID || messages[0].Author.Type != "contact" || messages[0].Body != "Hello" {
		t.Errorf("its messages: %+v", messages)
	}

	start(object{"email": "new@example.com", "message": object{"body": "Hi"}})
	if got := email(t, c, made.ContactID); got != "new@example.com" {
		t.Errorf("the contact made for it has email %q", got)
	}
	second := start(object{"email": "new@example.com", "message": object{"body": "Hi again"}})
	list, _ := listConversations(t, c, "/conversations/list?limit=100&statusId=1")
	equal(t, "the top of the list", list[0].ID, second.ID)
	equal(t, "both have one contact", list[0].ContactID, list[1].ContactID)

	for _, body := range []any{"no JSON", object{"message": object{"body": "a"}}, object{"email": "a@example.com"}, object{"email": "a@example.com", "message": object{}}} {
		c.refused(c.do("POST", "/conversations/new", body), 400, "validation_error")
	}
	unknown := object{"body": "a", "attributes": object{"autoAssigneeId": f.RemovedUserID}}
	c.refused(c.do("POST", "/conversations/new", object{"email": "a@example.com", "message": unknown}), 404, "not_found")
}

func TestAttachments(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	seen := map[string]bool{}
	for _, id := range s.Fixtures().ConversationIDs[:200] {
		messages, _ := listMessages(t, c, id)
		for _, m := range messages {
			for _, a := range m.Attachments {
				if want := fmt.Sprintf("https://driftapi.com/attachments/%d/data", a.ID); a.URL != want {
					t.Errorf("attachment %d has the URL %s", a.ID, a.URL)
				}
				got := c.get(fmt.Sprintf("/attachments/%d/data", a.ID))
				equal(t, "content type", got.header.Get("Content-Type"), a.MIMEType)
				seen[a.MIMEType] = true
				switch a.MIMEType {
				case "image/png":
					if _, err := png.Decode(bytes.NewReader(got.body)); err != nil {
						t.Errorf("%s: %v", a.FileName, err)
					}
				case "text/csv":
					if rows, err := csv.NewReader(bytes.NewReader(got.body)).ReadAll(); err != nil || len(rows) != 2 {
						t.Errorf("%s: %v, %v", a.FileName, rows, err)
					}
				default:
					if !bytes.HasPrefix(got.body, []byte("%PDF-1.")) || !bytes.HasSuffix(got.body, []byte("%%EOF\n")) {
						t.Errorf("%s is no PDF", a.FileName)
					}
				}
			}
		}
	}
	equal(t, "kinds of files", seen, map[string]bool{"image/png": true, "text/csv": true, "application/pdf": true})
	c.refused(c.do("GET", "/attachments/1/data", nil), 404, "not_found")
}

// TestReport computes metrics again from what can be read otherwise.
func TestReport(t *testing.T) {
	s, c := serve(t, sandbox.Config{Seed: 1})
	f := s.Fixtures()
	type report struct {
		Count int
		Data  []struct {
			ConversationID int64
			Metrics        []any
		}
	}
	ask := func(metrics []string, filters ...object) (r report) {
		read(t, c.post("/reports/conversations", object{"metrics": metrics, "filters": filters}), &r)
		equal(t, "count", r.Count, len(r.Data))
		return r
	}
	ids := func(r report) (ids []int64) {
		for _, row := range r.Data {
			ids = append(ids, row.ConversationID)
		}
		return ids
	}
	all, _ := listConversations(t, c, "/conversations/list?limit=100")
	where := func(fits func(conversation) bool) (ids []int64) {
		for _, row := range all {
			if fits(row) {
				ids = append(ids, row.ID)
			}
		}
		return ids
	}

	names := []string{
		"createdAt", "updatedAt", "status", "endUserId", "numAgentMessages", "numBotMessages", "numEndUserMessages",
		"firstAgentMessageAt", "lastAgentId", "timeToAgentResponseMillis", "meaningfulConversation", "relatedPlaybookId",
	}
	whole := ask(names)
	equal(t, "without filters", ids(whole), f.ConversationIDs)
	for i, row := range whole.Data[:60] {
		messages, _ := listMessages(t, c, row.ConversationID)
		var agents, bots, contacts, firstAgent, lastAgent, firstContact float64
		for _, m := range messages {
			switch {
			case m.Author.Type == "contact":
				contacts++
				if firstContact == 0 {
					firstContact = float64(m.CreatedAt)
				}
			case m.Type != "chat":
			case m.Author.Bot:
				bots++
			default:
				agents++
				lastAgent = float64(m.Author.ID)
				if firstAgent == 0 {
					firstAgent = float64(m.CreatedAt)
				}
			}
		}
		or := func(n float64, known bool) any {
			if !known {
				return "NaN"
			}
			return n
		}
		playbook := data[conversation](t, c.get(fmt.Sprint("/conversations/", row.ConversationID))).RelatedPlaybookID
		want := []any{
			float64(all[i].CreatedAt), float64(all[i].UpdatedAt), all[i].Status, float64(all[i].ContactID), agents, bots, contacts,
			or(firstAgent, agents > 0), or(lastAgent, agents > 0), or(firstAgent-firstContact, agents > 0 && contacts > 0),
			agents > 0 && contacts > 0, or(float64(playbook), playbook != 0),
		}
		equal(t, fmt.Sprint("metrics of ", row.ConversationID), row.Metrics, want)
	}

	contact := all[5].ContactID
	byContact := func(row conversation) bool { return row.ContactID == contact }
	equal(t, "IN a number", ids(ask(nil, object{"property": "endUserId", "operation": "IN", "values": []int64{contact, 1}})), where(byContact))
	equal(t, "IN the number as a string", ids(ask(nil, object{"property": "endUserId", "operation": "IN", "values": []string{fmt.Sprint(contact)}})), where(byContact))
	equal(t, "IN a string", ids(ask(nil, object{"property": "status", "operation": "IN", "values": []string{"open", "pending"}})),
		where(func(row conversation) bool { return row.Status == "open" || row.Status == "pending" }))
	equal(t, "BETWEEN milliseconds", ids(ask(nil, object{"property": "updatedAt", "operation": "BETWEEN", "values": []int64{all[9].UpdatedAt, all[3].UpdatedAt}})),
		conversationIDs(all[3:10]))
	from, to := now.AddDate(0, 0, -7), now.AddDate(0, 0, -6)
	equal(t, "BETWEEN days", ids(ask(nil, object{"property": "createdAt", "operation": "BETWEEN", "values": []string{from.Format("2006-01-02"), to.Format("2006-01-02")}})),
		where(func(row conversation) bool {
			return row.CreatedAt >= from.Truncate(24*time.Hour).UnixMilli() && row.CreatedAt < to.Truncate(24*time.Hour).Add(24*time.Hour).UnixMilli()
		}))
	closed := ask([]string{"status", "timeToCloseMillis", "firstCloseAt"}, object{"property": "firstCloseAt", "operation": "HAS_PROPERTY"})
	equal(t, "HAS_PROPERTY", ids(closed), where(func(row conversation) bool { return row.Status == "closed" }))
	both := ask([]string{"botStatus"}, object{"property": "lastAgentId", "operation": "HAS_PROPERTY"}, object{"property": "endUserId", "operation": "IN", "values": []int64{contact}})
	if len(both.Data) > len(where(byContact)) {
		t.Error("two filters let more through than one")
	}

	for _, body := range []any{
		"no JSON", object{"metrics": []string{"mood"}}, object{"filters": []object{{"property": "mood", "operation": "HAS_PROPERTY"}}},
		object{"filters": []object{{"property": "status", "operation": "LIKE"}}},
		object{"filters": []object{{"property": "createdAt", "operation": "BETWEEN", "values": []int{1}}}},
		object{"filters": []object{{"property": "createdAt", "operation": "BETWEEN", "values": []string{"June", "July"}}}},
	} {
		c.refused(c.do("POST", "/reports/conversations", body), 400, "validation_error")
	}
	_, slow := serve(t, sandbox.Config{ReportRate: 2})
	slow.post("/reports/conversations", object{})
	slow.post("/reports/conversations", object{})
	slow.refused(slow.do("POST", "/reports/conversations", object{}), 429, "rate_limit")
	slow.get("/users/list")
}
