package sandbox

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Drift's timestamps are milliseconds.
const (
	second int64 = 1000
	minute       = 60 * second
	hour         = 60 * minute
	day          = 24 * hour
)

// site is where the made-up organisation lives.
const site = "northlight.example"

// A seeder makes up an organisation. All that it makes follows from its random numbers and from now.
type seeder struct {
	*rand.Rand
	cfg Config
	now int64
	org *org

	humans  []*user // the removed one among them
	removed *user
	bots    []*user
	domains []string // of companies that have an account
	gone    []*contact
	people  []*contact
	drafts  []*draft
	met     map[*contact]bool // who has a draft
}

// A draft is a conversation whose ids are not known yet.
type draft struct {
	*conversation
	from  *contact
	topic *topic
	agent *user // nil if nobody answered
}

// seed makes the organisation of a sandbox, and the life in it.
func seed(cfg Config) (*org, *life) {
	g := &seeder{Rand: rand.New(rand.NewPCG(cfg.Seed, 0x5eed)), cfg: cfg, now: cfg.present().UnixMilli(), met: make(map[*contact]bool)}
	g.org = &org{
		id:            cmp.Or(cfg.OrgID, OrgID),
		contacts:      make(map[int64]*contact),
		byEmail:       make(map[string][]*contact),
		byExternal:    make(map[string]*contact),
		conversations: make(map[int64]*conversation),
		attachments:   make(map[int64]*attachment),
		accountByID:   make(map[string]*account),
		frozen:        !cfg.Now.IsZero(),
		last:          g.now,
	}
	g.makeUsers()
	g.makeTeams()
	g.makePlaybooks()
	g.makeAccounts()
	g.makeContacts()
	g.makeConversations()
	g.numberContacts()
	g.numberConversations()
	g.makeMeetings()
	return g.org, newLife(g)
}

// pick returns one of the list.
func pick[T any](g *seeder, list []T) T { return list[g.IntN(len(list))] }

// chance reports true so many times in a hundred.
func (g *seeder) chance(percent int) bool { return g.IntN(100) < percent }

// between returns a number from low to high.
func (g *seeder) between(low, high int64) int64 { return low + g.Int64N(high-low+1) }

// mark puts the organisation's mark behind a name or a text, if it has one.
func (g *seeder) mark(text string) string {
	if g.cfg.Mark == "" || text == "" {
		return text
	}
	return text + " " + g.cfg.Mark
}

// name makes up a person who is not in taken yet, as long as there are others.
func (g *seeder) name(taken map[string]bool) (first, last string) {
	for range 20 {
		first, last = pick(g, firstNames), pick(g, lastNames)
		if !taken[first+" "+last] {
			break
		}
	}
	taken[first+" "+last] = true
	return first, last
}

// phone makes up a number that nobody has.
func (g *seeder) phone() string { return fmt.Sprintf("555-01%d-%04d", g.IntN(10), g.IntN(10000)) }

// uuid makes up an id that looks random.
func (g *seeder) uuid() string {
	high, low := g.Uint64(), g.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", high>>32, high>>16&0xffff, high&0xfff, 0x8000|low>>48&0x3fff, low&0xffffffffffff)
}

// makeUsers makes two bots, and people of whom one was removed since.
func (g *seeder) makeUsers() {
	total := max(or(g.cfg.Users, 30), 6)
	for i, name := range []string{"Dottie", "Lumen"} {
		g.bots = append(g.bots, &user{
			ID: 410003 + int64(i), OrgID: g.org.id, Name: g.mark(name), Email: fmt.Sprintf("bot-%d-%d@%s", g.org.id, i+1, site),
			Locale: "en-US", Availability: "AVAILABLE", Role: "member", AvatarURL: "https://cdn." + site + "/avatars/bot.png",
			Verified: true, Bot: true, CreatedAt: g.now - 1500*day, UpdatedAt: g.now - 2*hour,
		})
	}
	taken := map[string]bool{}
	for i := range total - len(g.bots) {
		first, last := g.name(taken)
		switch i { // two who are always there
		case 0:
			first, last = "Iris", "Falk"
		case 1:
			first, last = "Jonas", "Berg"
		}
		where := pick(g, places)
		created := g.now - 1400*day + int64(i)*1300*day/int64(total)
		u := &user{
			ID: 412077 + int64(i), OrgID: g.org.id, Name: g.mark(first + " " + last), Email: emailName(first, last) + "@" + site,
			Locale: "en-US", TimeZone: where.timeZone, Verified: !g.chance(5),
			CreatedAt: created, UpdatedAt: g.between(g.now-20*day, g.now-10*minute),
		}
		u.Availability = pick(g, []string{"AVAILABLE", "AVAILABLE", "AVAILABLE", "OFFLINE", "OFFLINE", "ON_CALL"})
		u.Role = pick(g, []string{"agent", "agent", "member"})
		if i%9 == 0 {
			u.Role = "admin"
		}
		if i == 0 || g.chance(35) {
			u.Alias = first
		}
		if i == 0 || g.chance(50) {
			u.Phone = g.phone()
		}
		if i == 0 || g.chance(60) {
			u.AvatarURL = fmt.Sprintf("https://cdn.%s/avatars/%s.png", site, strings.ToLower(first+"-"+last))
		}
		g.humans = append(g.humans, u)
	}
	g.removed = g.humans[min(6, len(g.humans)-1)]
	g.org.users = slices.Concat(g.bots, g.humans)
	g.org.users = slices.DeleteFunc(g.org.users, func(u *user) bool { return u == g.removed })
	g.org.nextUser = 412077 + int64(len(g.humans))
}

// emailName is how a company would write a name in front of the @.
func emailName(first, last string) string { return strings.ToLower(first + "." + last) }

// makeTeams puts everybody into a team, and some into two.
func (g *seeder) makeTeams() {
	workspace := g.uuid()
	for i, name := range []string{"Sales", "Support", "Customer Success", "Partnerships"} {
		t := team{
			ID: 7301 + int64(i), OrgID: g.org.id, WorkspaceID: workspace, Name: g.mark(name), UpdatedAt: g.between(g.now-90*day, g.now-day),
			Status: "ENABLED", Main: i == 0, AutoOffline: i == 1, TeamCSATEnabled: i == 1, TeamAvailabilityMode: "CUSTOM_HOURS",
			ResponseTimerEnabled: i < 2,
		}
		for j, u := range g.humans {
			if j%3 == i || i == 3 && j%8 == 2 || i == 1 && u == g.removed {
				t.Members = append(t.Members, u.ID)
			}
		}
		t.Owner = t.Members[0]
		switch i {
		case 2:
			t.TeamAvailabilityMode = "ALWAYS_ONLINE"
		case 3:
			t.Status, t.TeamAvailabilityMode, t.Owner = "ARCHIVED", "ALWAYS_OFFLINE", g.removed.ID
		}
		g.org.teams = append(g.org.teams, t)
	}
}

// unlistedPlaybook is the id of a playbook that is no longer in use, though conversations name it.
const unlistedPlaybook = 2210399

// makePlaybooks makes playbooks, and pages for two of them.
func (g *seeder) makePlaybooks() {
	list := []struct {
		id         int64
		name, kind string
		goals      []string
	}{
		{2210457, "Pricing page greeter", "BOOK_MORE_MEETINGS", []string{"Thanks, a rep will follow up.", "Enjoy the docs!"}},
		{2210461, "Demo fast lane", "BOOK_MORE_MEETINGS", []string{"Meeting booked."}},
		{2210478, "Help center deflection", "SUPPORT", []string{"Glad this helped.", "A colleague takes over."}},
		{2210502, "Trial check-in", "NURTURE", []string{"Trial extended.", "Talks to an agent."}},
		{2210611, "Webinar landing", "CONVERSATIONAL_LANDING_PAGE", []string{"Signed up for the webinar."}},
		{2210612, "Partner landing", "CONVERSATIONAL_LANDING_PAGE", []string{"Introduced to partnerships."}},
	}
	for i, p := range list {
		created := g.now - int64(400-40*i)*day
		made := playbook{
			ID: p.id, Name: g.mark(p.name), OrgID: g.org.id, CreatedAt: created, UpdatedAt: g.between(created, g.now-day),
			CreatedAuthorID: g.humans[i%3].ID, UpdatedAuthorID: pick(g, g.humans).ID, InteractionID: 611204 + int64(i)*17, ReportType: p.kind,
		}
		for _, message := range p.goals {
			made.Goals = append(made.Goals, goal{g.uuid(), message})
		}
		g.org.playbooks = append(g.org.playbooks, made)
	}
	g.org.playbooks[3].UpdatedAuthorID = g.removed.ID
	for i, path := range []string{"webinar", "partners"} {
		p := g.org.playbooks[4+i]
		g.org.pages = append(g.org.pages, landingPage{p.ID, p.Name, "https://talk." + site + "/" + path})
	}
}

// company returns the name and the domain of the nth company. No two have the same.
func company(n int) (name, domain string) {
	start, round := n%len(companyStarts), n/len(companyStarts)
	name = companyStarts[start*17%len(companyStarts)] + companyEnds[(start*5+round)%len(companyEnds)]
	domain = strings.ToLower(name)
	if again := round / len(companyEnds); again > 0 {
		name, domain = fmt.Sprintf("%s %d", name, again+1), fmt.Sprintf("%s%d", domain, again+1)
	}
	return name + companyTrades[(n*5+n/17)%len(companyTrades)], domain + ".example"
}

// makeAccounts makes companies. Some are deleted, some have an owner who was removed, and the last one is named after a mail
// service, as happens where accounts are made from addresses.
func (g *seeder) makeAccounts() {
	total := or(g.cfg.Accounts, 120)
	for i := range total {
		name, domain := company(i)
		if total >= 20 && i == total-1 {
			name, domain = "Gmail", freemail[0]
		}
		created := g.now - 900*day + int64(i)*800*day/int64(total) + g.between(0, 3*day)
		a := &account{
			OwnerID: pick(g, g.humans[:min(12, len(g.humans))]).ID, Name: g.mark(name), Domain: domain,
			AccountID: fmt.Sprintf("%d_%s", g.org.id, domain), CustomProperties: g.properties(),
			Deleted: i%17 == 11, CreateDateTime: created, UpdateDateTime: g.between(created, g.now-hour), Targeted: g.chance(30),
		}
		if i%30 == 7 {
			a.OwnerID = g.removed.ID
		} else if a.OwnerID == g.removed.ID {
			a.OwnerID = g.humans[0].ID
		}
		g.org.addAccount(a)
		if domain != freemail[0] {
			g.domains = append(g.domains, domain)
		}
	}
}

// properties makes some custom properties. The blank in one name is how Drift's own sample has it.
func (g *seeder) properties() []customProperty {
	all := []customProperty{
		{"Annual revenue", "annual_revenue", fmt.Appendf(nil, "%d", g.between(2, 400)*50_000), "NUMBER"},
		{"Segment", "segment", jsontext.Value(pick(g, []string{`"Small business"`, `"Mid-market"`, `"Enterprise"`})), "STRING"},
		{"Renewal date", "renewal_date", fmt.Appendf(nil, "%q", time.UnixMilli(g.now+g.between(5, 360)*day).UTC().Format(time.DateOnly)), "DATE"},
		{"Products", "products", jsontext.Value(pick(g, []string{`["boards"]`, `["boards","reports"]`, `["boards","forecasts"]`})), "ENUMARRAY"},
		{"Switchboard", "switchboard", fmt.Appendf(nil, "%q", g.phone()), "PHONE"},
		{"Customer number", " customer_number", fmt.Appendf(nil, `"C-%05d"`, g.between(1, 99999)), "STRING"},
	}
	return slices.DeleteFunc(all, func(customProperty) bool { return g.chance(55) })
}

// makeContacts makes people, companies' and others', and definitions of their attributes. They have no ids yet.
func (g *seeder) makeContacts() {
	g.org.attributes = []attributeDefinition{
		{"STRING", "Plan tier", "plan_tier"},
		{"NUMERIC", "Seats", "seats"},
		{"BOOLEAN", "Is partner", "is_partner"},
		{"DATETIME", "Renewal at", "renewal_at"},
		{"DATE", "First invoice", "first_invoice"},
		{"STRING", "City", "city"},
	}
	g.org.tags = []tag{{"FF8800", "vip"}, {"2E6FD8", "newsletter"}, {"0A7F5C", "customer"}, {"C04848", "churn-risk"}, {"708090", "partner"}}
	taken := map[string]bool{}
	for i := range or(g.cfg.Contacts, 200) {
		g.people = append(g.people, g.makeContact(i, taken))
	}
	for range 4 {
		c := &contact{CreatedAt: g.now - 61*day - g.between(0, 300*day), Attributes: map[string]any{"first_name": pick(g, firstNames)}}
		g.gone = append(g.gone, c)
	}
}

// makeContact makes the nth contact, whose number decides what is odd about it.
func (g *seeder) makeContact(n int, taken map[string]bool) *contact {
	where := pick(g, places)
	c := &contact{CreatedAt: g.now - 61*day - g.between(0, 700*day)}
	c.Attributes = map[string]any{
		"socialProfiles": struct{}{}, "externalId": nil, "external_id": nil, "events": struct{}{}, "tags": []tag{},
	}
	if n%8 == 5 { // nobody knows who it is
		g.addVisits(c, where)
		return c
	}
	first, last := g.name(taken)
	name, domain := "", ""
	if len(g.domains) > 0 {
		at := g.IntN(len(g.domains))
		name, domain = g.org.accounts[at].Name, g.domains[at]
	}
	email := emailName(first, last) + "@" + domain
	private := fmt.Sprintf("%s%s%08d@%s", strings.ToLower(first), strings.ToLower(last), g.IntN(100_000_000), pick(g, freemail))
	employed := g.chance(50)
	switch {
	case n%40 == 3: // a private address, and a company from enrichment
		email, employed = private, true
	case n%40 == 23: // no address at all
		email, employed = "", true
	case n%40 == 19 || n == 20: // the person before again, from another list
		before := g.people[n-1]
		first, last, email = before.text("first_name"), before.text("last_name"), before.text("email")
		name, domain, employed = "", "", false
	case n%10 == 6:
		email, name, domain, employed = private, "", "", false
	case n%25 == 9: // a company without an account
		name, domain = company(5000 + n)
		email = emailName(first, last) + "@" + domain
	case n%60 == 31 && domain != "": // as people type
		email = first + "." + last + "@" + strings.ToUpper(domain[:1]) + domain[1:]
	case n%16 == 10 && len(g.domains) > 0: // works for one company and writes from another
		domain, employed = pick(g, g.domains), true
	}
	if domain == "" && strings.HasSuffix(email, "@") {
		email = private
	}
	a := c.Attributes
	if email != "" {
		a["email"] = email
	}
	if n%50 == 12 { // nothing but an address
		return c
	}
	if n%40 == 19 || n == 20 || g.chance(70) {
		a["externalId"] = fmt.Sprintf("crm-%06x", g.IntN(1<<20)<<4|n&0xf)
		a["external_id"] = a["externalId"]
	}
	a["name"], a["first_name"], a["last_name"] = g.mark(first+" "+last), first, last
	if g.chance(45) {
		a["phone"] = g.phone()
	}
	role := pick(g, jobs)
	if domain != "" && g.chance(75) {
		a["employment_name"], a["employment_title"], a["employment_role"] = name, role.title, role.role
	}
	if domain != "" && employed {
		a["employment_domain"] = domain
	}
	if g.chance(60) {
		a["_classification"] = pick(g, []string{"Engaged", "Engaged", "Identified", "Bad Lead", "Customer"})
	}
	if g.chance(30) {
		a["avatarUrl"] = fmt.Sprintf("https://cdn.%s/people/%s.png", site, strings.ToLower(first+"-"+last))
	}
	if g.chance(25) {
		a["lead_create_source"] = pick(g, []string{"chat", "import", "email"})
	}
	if n%20 == 0 || g.chance(12) {
		a["socialProfiles"] = g.profile(first, last, email, name, domain, role, where)
		a["linkedin_handle"] = "in/" + strings.ToLower(first+last)
	}
	if n%20 == 0 || g.chance(15) {
		a["tags"] = []tag{pick(g, g.org.tags)}
	}
	if n%20 == 0 || g.chance(45) {
		g.addCustom(c, where)
	}
	g.addVisits(c, where)
	c.deleted = n%45 == 40
	return c
}

// addVisits adds what a browser tells.
func (g *seeder) addVisits(c *contact, where place) {
	a := c.Attributes
	ip := fmt.Sprintf("203.0.113.%d", g.between(2, 250))
	a["ip"], a["original_ip"] = ip, ip
	if g.chance(20) { // behind a proxy
		a["ip"] = ip + fmt.Sprintf(",198.51.100.%d", g.between(2, 250))
	}
	first, recent := pick(g, topics), pick(g, topics)
	a["original_entrance_page_url"], a["original_entrance_page_title"] = "https://www."+site+first.path, first.title
	a["recent_entrance_page_url"], a["recent_entrance_page_title"] = "https://www."+site+recent.path, recent.title
	if g.chance(40) {
		a["recent_source"], a["recent_medium"] = pick(g, []string{"newsletter", "google", "partner"}), pick(g, []string{"email", "cpc", "referral"})
	}
	if g.chance(30) {
		a["original_referer_url"], a["recent_referer_url"] = "https://search.example.com/", "https://search.example.com/"
	}
	text, err := json.Marshal(where.location)
	if err != nil {
		panic(err) // strings and finite numbers
	}
	a["last_context_location"] = string(text)
	a["display_location"] = where.City + ", " + where.CountryName
}

// addCustom adds attributes that the organisation invented.
func (g *seeder) addCustom(c *contact, where place) {
	a := c.Attributes
	a["plan_tier"], a["seats"] = pick(g, []string{"bronze", "silver", "gold"}), g.between(3, 250)
	a["is_partner"] = g.chance(10)
	if g.chance(50) {
		a["renewal_at"] = g.now + g.between(3, 360)*day
	}
	if g.chance(30) {
		a["first_invoice"], a["city"] = time.UnixMilli(c.CreatedAt).UTC().Format(time.DateOnly), where.City
	}
}

// profile is what a service for enrichment found out about a person. It fills in null for what it did not.
func (g *seeder) profile(first, last, email, company, domain string, role job, where place) any {
	type object = map[string]any
	handle := strings.ToLower(first + last)
	var seniority any
	if role.seniority != "" {
		seniority = role.seniority
	}
	return object{
		"id":     g.uuid(),
		"name":   object{"fullName": first + " " + last, "givenName": first, "familyName": last},
		"email":  email,
		"avatar": fmt.Sprintf("https://cdn.%s/people/%s.png", site, strings.ToLower(first+"-"+last)),
		"employment": object{
			"domain": domain, "name": company, "title": role.title, "role": role.role, "seniority": seniority,
		},
		"linkedin": object{"handle": "in/" + handle},
		"twitter": object{
			"handle": handle, "id": fmt.Sprint(g.between(1e8, 9e8)), "bio": nil, "followers": g.between(10, 900), "following": g.between(10, 900),
			"statuses": g.between(0, 5000), "favorites": g.between(0, 300), "location": where.City, "site": nil, "avatar": nil,
		},
		"github":     object{"handle": nil, "id": nil, "avatar": nil, "company": nil, "blog": nil, "followers": nil, "following": nil},
		"facebook":   object{"handle": nil},
		"googleplus": object{"handle": nil},
		"aboutme":    object{"handle": nil, "bio": nil, "avatar": nil},
		"gravatar":   object{"handle": nil, "urls": []string{}, "avatar": nil},
		"geo": object{
			"city": where.City, "state": where.state, "stateCode": nil, "country": where.CountryName, "countryCode": where.Country,
			"lat": where.Latitude, "lng": where.Longitude,
		},
		"fuzzy": false, "emailProvider": slices.ContainsFunc(freemail, func(d string) bool { return strings.HasSuffix(email, d) }),
		"activeAt": nil, "indexedAt": time.UnixMilli(g.now - g.between(1, 200)*day).UTC().Format("2006-01-02T15:04:05.000Z"),
	}
}

// numberContacts gives the contacts their ids, the first made first, and lets searches find them.
func (g *seeder) numberContacts() {
	all := slices.Concat(g.people, g.gone)
	slices.SortStableFunc(all, func(a, b *contact) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	id := int64(21_840_000_000)
	for _, c := range all {
		id += g.between(1, 900)
		c.ID = id
	}
	g.org.nextContact = id + 1
	for _, c := range g.people {
		c.Attributes["start_date"] = c.CreatedAt
		c.touch(g.IntN(60) + 1)
		g.org.contacts[c.ID] = c
		if !c.deleted {
			g.org.index(c)
		}
	}
}

// numberConversations gives conversations, messages and attachments their ids, the first made first.
func (g *seeder) numberConversations() {
	slices.SortStableFunc(g.drafts, func(a, b *draft) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	conversationID := int64(4_512_000_000)
	var messages []*message
	for _, d := range g.drafts {
		conversationID += g.between(40, 4000)
		d.ID, d.ContactID = conversationID, d.from.ID
		for _, m := range d.messages {
			m.ConversationID = d.ID
			if m.Author.Type == "contact" {
				m.Author.ID = d.from.ID
			}
		}
		messages = append(messages, d.messages...)
		g.org.conversations[d.ID] = d.conversation
		g.org.byUpdate = append(g.org.byUpdate, d.conversation)
	}
	slices.SortFunc(g.org.byUpdate, func(a, b *conversation) int { return cmp.Compare(a.UpdatedAt, b.UpdatedAt) })

	slices.SortStableFunc(messages, func(a, b *message) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	messageID, attachmentID := int64(618_840_000_000), int64(731_900)
	for _, m := range messages {
		messageID += g.between(1, 40)
		m.ID = messageID
		for i, file := range m.Attachments {
			attachmentID += g.between(1, 9)
			m.Attachments[i] = newAttachment(attachmentID, file.FileName)
			g.org.attachments[attachmentID] = m.Attachments[i]
		}
	}
	g.org.nextConversation, g.org.nextMessage = conversationID+1, messageID+1
}

// makeMeetings books what was talked about in chats on demos, and one meeting outside of any chat.
func (g *seeder) makeMeetings() {
	for i, d := range g.drafts {
		if d.agent == nil || d.topic == nil || d.topic.button != "Book a demo" || d.from.Attributes["email"] == nil {
			continue
		}
		g.org.meetings = append(g.org.meetings, g.meeting(i, d))
	}
	if n := len(g.org.meetings); n > 0 {
		elsewhere := g.org.meetings[n-1]
		elsewhere.ConversationID, elsewhere.EventID, elsewhere.Slug = 0, "evt_0c9a77b1", "mtg-5f2e41"
		elsewhere.SlotStart, elsewhere.SlotEnd = elsewhere.SlotStart+day, elsewhere.SlotEnd+day
		g.org.meetings = append(g.org.meetings, elsewhere)
	}
	slices.SortStableFunc(g.org.meetings, func(a, b meeting) int { return cmp.Compare(a.SlotStart, b.SlotStart) })
}

// meeting makes the nth meeting, on some day after the chat about it.
func (g *seeder) meeting(n int, d *draft) meeting {
	start := (d.UpdatedAt+g.between(1, 9)*day)/(30*minute)*(30*minute) + 30*minute
	m := meeting{
		ConversationID: d.ID, AgentID: d.agent.ID, OrgID: g.org.id, Status: "ACTIVE", MeetingSource: "WIDGET", SchedulerID: d.from.ID,
		EventID: fmt.Sprintf("evt_%08x", g.Uint32()), Slug: fmt.Sprintf("mtg-%06x", g.IntN(1<<24)),
		SlotStart: start, SlotEnd: start + 30*minute, UpdatedAt: d.UpdatedAt, ScheduledAt: d.UpdatedAt,
		MeetingType: "New Meeting", EndUserTimeZone: pick(g, places).timeZone, ConferenceType: "GOOGLE_MEET", IsPrivate: g.chance(15),
	}
	if g.chance(60) {
		m.MeetingSlug, m.IsOrgSlug = "intro-30", new(g.chance(20))
	}
	if g.chance(60) {
		m.ConferenceType, m.ConferenceDetails = "ZOOM", &conference{fmt.Sprintf("https://meet.%s/j/%d", site, g.between(10_000, 99_999))}
	}
	if g.chance(30) {
		m.MeetingSource, m.BookedBy, m.MeetingNotes = "EMAIL_DROP", d.agent.ID, "Please bring the quote."
	}
	if n%6 == 5 {
		m.Status, m.MeetingType = "CANCELED", "Follow Up"
	}
	return m
}
