package sandbox

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A turn is a line as it stands in one chat.
type turn struct {
	line
	later bool // hours or days after the line before
}

// makeConversations makes chats from the latest to the earliest. The number of a chat decides what is odd about it.
func (g *seeder) makeConversations() {
	total := or(g.cfg.Conversations, 600)
	if len(g.people) == 0 {
		total = 0 // nobody to talk to
	}
	used := make(map[int64]bool, total) // no two conversations end in the same millisecond
	for i := range total {
		d := g.makeConversation(i)
		age := float64(i) / float64(total)
		end := g.now - 4*minute - int64(age*age*float64(58*day)) - g.between(0, minute)
		g.schedule(d, i, end)
		for used[d.UpdatedAt] {
			d.messages[len(d.messages)-1].CreatedAt--
			d.UpdatedAt--
		}
		used[d.UpdatedAt] = true
		g.decideStatus(d)
		g.noteOnContact(d, i)
		g.drafts = append(g.drafts, d)
	}
}

// makeConversation writes the messages of the nth chat, without times.
func (g *seeder) makeConversation(n int) *draft {
	d := &draft{conversation: &conversation{}, from: pick(g, g.people), topic: &topics[g.IntN(len(topics))]}
	d.InboxID = defaultInbox + int64(g.IntN(2))
	low := max(g.cfg.MinMessages, 1)
	if g.cfg.MinMessages == 0 {
		low = 3
	}
	high := max(or(g.cfg.MaxMessages, 150), low)
	length := min(low+int(g.ExpFloat64()*6), high)
	if g.chance(4) {
		length = low + g.IntN(high-low+1)
	}
	if n == 4 {
		length = max(high*9/10, low)
	}
	if n%60 == 7 {
		d.from = pick(g, g.gone)
	}

	var turns []turn
	switch lonely := n%75 == 9 || n%75 == 11; {
	case lonely:
		turns = g.unanswered(min(max(low, 3), high))
	case n%24 == 20 && low <= 3 && high >= 3 && d.from.text("email") != "":
		turns = g.outreach()
		d.Status = "bulk_sent"
	case n%11 == 6 && low <= 3 && high >= 3:
		turns = g.nobodyIn(d.topic)
	default:
		turns = g.chat(d.topic, length, low)
	}
	d.agent = g.agent(d.topic.team, n%29 == 13)
	g.write(d, turns)
	switch {
	case n%75 == 9:
		d.Participants = nil
	case n%31 == 15 && d.messages[0].Author.Bot:
		d.RelatedPlaybookID = unlistedPlaybook
	case d.messages[0].Author.Bot && g.chance(65):
		d.RelatedPlaybookID = g.org.playbooks[(d.topic.team+g.IntN(2))%len(g.org.playbooks)].ID
	}
	return d
}

// agent picks somebody of a team.
func (g *seeder) agent(team int, removed bool) *user {
	if removed {
		return g.removed
	}
	members := g.org.teams[team].Members
	id := pick(g, members)
	if id == g.removed.ID {
		id = members[0]
	}
	i := slices.IndexFunc(g.humans, func(u *user) bool { return u.ID == id })
	return g.humans[i]
}

// say is a line of a chat.
func say(who speaker, text string) turn { return turn{line: line{who: who, text: text}} }

// chat writes a chat of about so many lines, but never fewer than least: one topic after the other, as long as it takes. Where
// it can, it ends when the last question is settled.
func (g *seeder) chat(about *topic, length, least int) []turn {
	turns := []turn{say(bot, pick(g, greetings))}
	if length > 6 {
		turns = append(turns, say(visitor, about.button), say(bot, pick(g, handovers)))
	}
	others := g.Perm(len(topics))
	var settled, answer int // where the topics before the last one end, and where the answers to the last one go on
	for round := 0; ; round++ {
		start := pick(g, about.openings)
		turns = append(turns, say(visitor, start.ask), say(agent, start.answer))
		answer = len(turns)
		for _, l := range about.lines {
			turns = append(turns, turn{line: l})
		}
		if len(turns) >= length {
			break
		}
		turns = append(turns, say(visitor, pick(g, thanks)), say(agent, pick(g, byes)))
		settled = len(turns)
		next := &topics[others[round%len(others)]]
		if next == about {
			next = &topics[(others[round%len(others)]+1)%len(topics)]
		}
		about = next
		turns = append(turns, turn{line{who: visitor, text: pick(g, returns)}, true})
	}
	turns = turns[:length]
	for end := length - 2; end > answer && end+2 >= least; end-- {
		if last := turns[end-1]; (last.who == agent || last.who == colleague) && !strings.HasSuffix(last.text, "?") {
			return append(turns[:end], say(visitor, pick(g, thanks)), say(agent, pick(g, byes)))
		}
	}
	if settled >= least {
		return turns[:min(settled, length)]
	}
	return turns
}

// unanswered writes what somebody says whom nobody hears.
func (g *seeder) unanswered(length int) []turn {
	var turns []turn
	for _, text := range pick(g, unanswered) {
		turns = append(turns, say(visitor, text))
	}
	for len(turns) < length {
		turns = append(turns, say(visitor, pick(g, pick(g, topics).openings).ask))
	}
	return turns[:length]
}

// outreach writes a bulk email and what follows when nobody answers it.
func (g *seeder) outreach() []turn {
	turns := make([]turn, len(outreach))
	for i, text := range outreach {
		turns[i] = turn{line{who: agent, text: text}, i > 0}
	}
	return turns
}

// nobodyIn writes a chat with a bot that can only take a message.
func (g *seeder) nobodyIn(about *topic) []turn {
	return []turn{
		say(bot, pick(g, greetings)),
		say(visitor, pick(g, about.openings).ask),
		say(bot, away),
	}
}

// words returns what stands for the words after a $ in one chat. What it says of the visitor's side is the same whenever it is
// called, the rest is new.
func (g *seeder) words(d *draft, colleague *user) func() map[string]string {
	visitor, comma, company := "there", "", "this account"
	if first := d.from.text("first_name"); first != "" {
		visitor, comma = first, ", "+first
	}
	if name := d.from.text("employment_name"); name != "" {
		company = name
	}
	seats := g.between(8, 240)
	same := map[string]string{
		"visitor":   visitor,
		"comma":     comma,
		"company":   company,
		"bot":       g.host(d).Name,
		"agent":     firstName(d.agent),
		"colleague": firstName(colleague),
		"seats":     fmt.Sprint(seats),
		"price":     fmt.Sprint(seats * g.between(7, 12)),
		"plan":      pick(g, []string{"Team", "Business", "Enterprise"}),
		"crm":       pick(g, []string{"HubSpot", "Salesforce", "Pipedrive"}),
		"idp":       pick(g, []string{"Okta", "Entra ID", "Keycloak"}),
		"city":      pick(g, places).City,
	}
	return func() map[string]string {
		words := maps.Clone(same)
		words["day"] = pick(g, []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"})
		words["time"] = pick(g, []string{"9:30", "10:00", "11:15", "14:00", "15:30"})
		words["minutes"] = fmt.Sprint(g.between(5, 45))
		words["invoice"] = fmt.Sprintf("NL-%05d", g.between(10_000, 99_999))
		words["ticket"] = fmt.Sprintf("NOR-%d", g.between(400, 3200))
		words["error"] = pick(g, []string{"502", "503", "504"})
		return words
	}
}

// host is the bot of a chat.
func (g *seeder) host(d *draft) *user { return g.bots[d.topic.team%len(g.bots)] }

func firstName(u *user) string {
	first, _, _ := strings.Cut(u.Name, " ")
	return first
}

// escape makes text fit for HTML. Drift leaves quotes alone.
var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// write turns a chat into messages, and notes who takes part.
func (g *seeder) write(d *draft, turns []turn) {
	helper := g.agent(d.topic.team, false)
	if helper == d.agent {
		helper = g.agent((d.topic.team+1)%3, false)
	}
	newWords := g.words(d, helper)
	words, host := newWords(), g.host(d)
	fill := func(text string) string { return os.Expand(text, func(name string) string { return words[name] }) }
	d.Participants = []int64{}
	answered, visits := false, 0
	for i, t := range turns {
		if t.later {
			words = newWords()
		}
		m := &message{OrgID: g.org.id, Type: "chat", Body: g.mark(fill(t.text))}
		switch t.who {
		case bot:
			m.Author = author{host.ID, "user", true}
		case visitor:
			m.Author.Type = "contact" // whose id comes later
		case agent, note:
			m.Author, answered = author{ID: d.agent.ID, Type: "user"}, true
		case colleague:
			m.Author = author{ID: helper.ID, Type: "user"}
		}
		if t.who == note {
			m.Type = "private_note"
		}
		if t.file != "" {
			m.Attachments = []*attachment{{FileName: fill(t.file)}}
		}
		if t.who == visitor {
			if visits == 0 || t.later {
				m.Context = g.visit(d)
			}
			if visits == 0 && i > 0 && d.messages[0].Author.Bot {
				before := preMessage{Body: d.messages[0].Body}
				before.Sender.ID = host.ID
				m.Attributes.PreMessages = []preMessage{before}
			}
			visits++
		} else {
			if m.Type == "chat" && m.Body != "" {
				m.Body = "<p>" + escape.Replace(m.Body) + "</p>"
			}
			if t.who == agent && g.chance(6) {
				m.Attributes.DeveloperAppID = appID
			}
			if !slices.Contains(d.Participants, m.Author.ID) {
				d.Participants = append(d.Participants, m.Author.ID)
			}
		}
		if i == 0 && t.who == bot {
			m.Buttons = g.buttons(d.topic)
		}
		d.messages = append(d.messages, m)
	}
	slices.Sort(d.Participants)
	if !answered {
		d.agent = nil
	}
	if len(turns) > 4 && g.chance(70) {
		d.Tags = []tag{d.topic.tag}
		if g.chance(30) {
			d.Tags = append(d.Tags, tag{"C04848", "follow-up"})
		}
	}
}

// buttons are the answers that a greeting offers, the topic's among them.
func (g *seeder) buttons(about *topic) []button {
	labels := []string{about.button}
	for len(labels) < 3 {
		if label := pick(g, topics).button; !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	buttons := make([]button, 0, 4)
	for _, label := range labels {
		buttons = append(buttons, button{Value: label, Label: label, Type: "reply"})
	}
	return append(buttons, button{"Just looking", "Just looking", "reply", "primary", &reaction{"replace", "No rush."}})
}

// visit is where the contact of a chat is when they write.
func (g *seeder) visit(d *draft) *visit {
	where := places[g.IntN(len(places))]
	for _, p := range places { // where they were seen before, if they were
		if d.from.text("display_location") == p.City+", "+p.CountryName {
			where = p
		}
	}
	ip, _, _ := strings.Cut(d.from.text("ip"), ",")
	if ip == "" {
		ip = fmt.Sprintf("192.0.2.%d", g.between(2, 250))
	}
	v := &visit{
		IP: ip, UserAgent: pick(g, userAgents), Href: "https://www." + site + d.topic.path, Title: d.topic.title,
		Locale: where.locale, TimeZone: where.timeZone, Location: &where.location,
	}
	if g.chance(40) {
		v.Referrer = "https://search.example.com/"
	}
	return v
}

// schedule gives the messages of the nth chat their times, so that the last one is at end and the first not much more than 60
// days ago.
func (g *seeder) schedule(d *draft, n int, end int64) {
	offsets := make([]int64, len(d.messages))
	for i := 1; i < len(offsets); i++ {
		m, before := d.messages[i], d.messages[i-1]
		var pause int64
		switch {
		case m.Context != nil && i > 3, d.Status == "bulk_sent":
			pause = g.between(3*hour, 3*day)
		case m.Author.Bot:
			pause = g.between(second, 3*second)
		case m.Author.Type == "contact" && before.Author.Bot:
			pause = g.between(6*second, minute)
		case m.Type == "private_note":
			pause = g.between(10*second, 2*minute)
		default:
			pause = g.between(15*second, 5*minute)
		}
		offsets[i] = offsets[i-1] + pause
	}
	length := offsets[len(offsets)-1]
	if most := max(end-(g.now-60*day), hour); length > most {
		for i := range offsets {
			offsets[i] = int64(float64(offsets[i]) * float64(most) / float64(length))
		}
		length = offsets[len(offsets)-1]
	}
	for i, m := range d.messages {
		m.CreatedAt = end - length + offsets[i]
		if i > 0 {
			m.CreatedAt = max(m.CreatedAt, d.messages[i-1].CreatedAt+1)
		}
	}
	d.CreatedAt, d.UpdatedAt = d.messages[0].CreatedAt, d.messages[len(d.messages)-1].CreatedAt
}

// decideStatus closes most of the old chats, and leaves open most of the new ones.
func (g *seeder) decideStatus(d *draft) {
	if d.Status != "" {
		return
	}
	open, pending := 4, 6
	if g.now-d.UpdatedAt < 2*day {
		open, pending = 55, 20
	}
	switch roll := g.IntN(100); {
	case roll < open:
		d.Status = "open"
	case roll < open+pending:
		d.Status = "pending"
	default:
		d.Status = "closed"
		d.closedAt = min(d.UpdatedAt+g.between(minute, 40*minute), g.now)
	}
}

// noteOnContact writes down on the contact of the nth chat what Drift does. Chats come the latest first.
func (g *seeder) noteOnContact(d *draft, n int) {
	a := d.from.Attributes
	set := func(name string, value any, overwrite bool) {
		if _, ok := a[name]; !ok || overwrite {
			a[name] = value
		}
	}
	for _, m := range slices.Backward(d.messages) {
		if m.Author.Type == "contact" {
			set("last_active", m.CreatedAt, false)
		} else if !m.Author.Bot && m.Type == "chat" {
			set("last_contacted", m.CreatedAt, false)
		}
	}
	if a["ip"] != nil && (d.messages[0].Author.Type == "contact" || d.messages[0].Author.Bot) {
		page := "https://www." + site + d.topic.path
		set("recent_conversation_started_page_url", page, false)
		set("recent_conversation_started_page_title", d.topic.title, false)
		set("original_conversation_started_page_url", page, true)
		set("original_conversation_started_page_title", d.topic.title, true)
	}
	// Who is anonymous came with their first chat, and some others did. Nobody came later.
	arrival := d.CreatedAt - 20*second
	if !g.met[d.from] && (a["email"] == nil || n%3 == 0 && d.Status != "bulk_sent") {
		d.from.CreatedAt = arrival
	}
	d.from.CreatedAt = min(d.from.CreatedAt, arrival)
	g.met[d.from] = true
}
