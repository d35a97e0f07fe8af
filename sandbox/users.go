package sandbox

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A user is an agent or a bot. What is not set is left out.
type user struct {
	ID           int64  `json:"id"`
	OrgID        int64  `json:"orgId"`
	Name         string `json:"name,omitzero"`
	Alias        string `json:"alias,omitzero"`
	Email        string `json:"email,omitzero"`
	Phone        string `json:"phone,omitzero"`
	Locale       string `json:"locale,omitzero"`
	Availability string `json:"availability,omitzero"`
	Role         string `json:"role,omitzero"`
	TimeZone     string `json:"timeZone,omitzero"`
	AvatarURL    string `json:"avatarUrl,omitzero"`
	Verified     bool   `json:"verified"`
	Bot          bool   `json:"bot"`
	CreatedAt    int64  `json:"createdAt"`
	UpdatedAt    int64  `json:"updatedAt"`
}

// userOf finds the user of the path.
func (s *Sandbox) userOf(r *request) (*user, error) {
	id, _ := r.id()
	u := s.org.user(id)
	if u == nil {
		return nil, notFound("user %s does not exist", r.vars["id"])
	}
	return u, nil
}

// getUser answers GET /users/{id}.
func (s *Sandbox) getUser(r *request) (answer, error) {
	u, err := s.userOf(r)
	if err != nil {
		return answer{}, err
	}
	return data(u)
}

// findUsers answers a map from id to user. Ids that nobody has are missing from it.
//
// GET /users
func (s *Sandbox) findUsers(r *request) (answer, error) {
	ids := r.query["userId"]
	if len(ids) == 0 || len(ids) > 20 {
		return answer{}, invalid("there must be 1 to 20 userId")
	}
	found := make(map[int64]*user, len(ids))
	for _, text := range ids {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return answer{}, invalid("userId %q is not a number", text)
		}
		if u := s.org.user(id); u != nil {
			found[id] = u
		}
	}
	return data(found)
}

// listUsers answers GET /users/list.
func (s *Sandbox) listUsers(*request) (answer, error) {
	users := s.org.users
	if s.cfg.Shuffle {
		users = slices.Clone(users)
		s.dice.shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	}
	return data(users)
}

// updateUser changes what a user may change of themselves.
//
// PATCH /users/update
func (s *Sandbox) updateUser(r *request) (answer, error) {
	id, err := strconv.ParseInt(r.get("userId"), 10, 64)
	if err != nil {
		return answer{}, invalid("userId is missing or not a number")
	}
	u := s.org.user(id)
	if u == nil {
		return answer{}, notFound("user %d does not exist", id)
	}
	var in map[string]jsontext.Value
	if err := r.decode(&in); err != nil {
		return answer{}, err
	}
	changed := *u
	for name, field := range map[string]*string{
		"name": &changed.Name, "alias": &changed.Alias, "email": &changed.Email, "phone": &changed.Phone,
		"locale": &changed.Locale, "avatarUrl": &changed.AvatarURL, "availability": &changed.Availability,
	} {
		value, ok := in[name]
		if !ok {
			continue
		}
		if value.Kind() != '"' || json.Unmarshal(value, field) != nil {
			return answer{}, invalid("%s is not a string", name)
		}
	}
	if _, ok := in["availability"]; ok && changed.Availability != "AVAILABLE" && changed.Availability != "OFFLINE" {
		return answer{}, invalid("availability must be AVAILABLE or OFFLINE")
	}
	before := u.Availability
	*u = changed
	u.UpdatedAt = s.org.tick()
	if u.Availability != before {
		s.emitAvailability(u)
	}
	return data(u)
}

// A team is a group of users.
type team struct {
	ID                   int64   `json:"id"`
	OrgID                int64   `json:"orgId"`
	WorkspaceID          string  `json:"workspaceId"`
	Name                 string  `json:"name"`
	UpdatedAt            int64   `json:"updatedAt"`
	Members              []int64 `json:"members"`
	Owner                int64   `json:"owner"`
	Status               string  `json:"status"`
	Main                 bool    `json:"main"`
	AutoOffline          bool    `json:"autoOffline"`
	TeamCSATEnabled      bool    `json:"teamCsatEnabled"`
	TeamAvailabilityMode string  `json:"teamAvailabilityMode"`
	ResponseTimerEnabled bool    `json:"responseTimerEnabled"`
}

// listTeams answers GET /teams/org.
func (s *Sandbox) listTeams(*request) (answer, error) {
	return data(s.org.teams)
}

// listTeamsOfUser answers GET /teams/users/{id}.
func (s *Sandbox) listTeamsOfUser(r *request) (answer, error) {
	u, err := s.userOf(r)
	if err != nil {
		return answer{}, err
	}
	teams := []team{}
	for _, t := range s.org.teams {
		if slices.Contains(t.Members, u.ID) {
			teams = append(teams, t)
		}
	}
	return data(teams)
}

// A meeting is one that a contact booked with an agent. It has no id of its own.
type meeting struct {
	ConversationID    int64       `json:"conversationId,omitzero"` // 0 if it was booked elsewhere
	AgentID           int64       `json:"agentId"`
	OrgID             int64       `json:"orgId"`
	Status            string      `json:"status"`
	MeetingSource     string      `json:"meetingSource"`
	SchedulerID       int64       `json:"schedulerId"` // the contact
	EventID           string      `json:"eventId"`
	Slug              string      `json:"slug"`
	SlotStart         int64       `json:"slotStart"`
	SlotEnd           int64       `json:"slotEnd"`
	UpdatedAt         int64       `json:"updatedAt"`
	ScheduledAt       int64       `json:"scheduledAt"`
	MeetingType       string      `json:"meetingType"`
	MeetingSlug       string      `json:"meetingSlug,omitzero"`
	IsOrgSlug         *bool       `json:"isOrgSlug,omitzero"`
	EndUserTimeZone   string      `json:"endUserTimeZone"`
	MeetingNotes      string      `json:"meetingNotes,omitzero"`
	BookedBy          int64       `json:"bookedBy,omitzero"` // the agent who did it for the contact, or 0
	ConferenceType    string      `json:"conferenceType"`
	ConferenceDetails *conference `json:"conferenceDetails,omitzero"`
	IsRecurring       bool        `json:"isRecurring"`
	IsPrivate         bool        `json:"isPrivate"`
}

// A conference says where to meet.
type conference struct {
	JoinURL string `json:"join_url"`
}

// listMeetings answers the meetings that start in a window, which reaches at most 30 days back.
//
// GET /users/meetings/org
func (s *Sandbox) listMeetings(r *request) (answer, error) {
	var window [2]int64
	for i, name := range []string{"min_start_time", "max_start_time"} {
		var err error
		if window[i], err = strconv.ParseInt(r.get(name), 10, 64); err != nil {
			return answer{}, invalid("%s is missing or not a number of milliseconds", name)
		}
	}
	limit := 0 // Drift takes 0 here, and nowhere else
	if r.get("limit") != "0" {
		var err error
		if limit, err = s.pageSize(r, "limit", 100, 1000); err != nil {
			return answer{}, err
		}
	}
	const days = 24 * 60 * 60 * 1000
	start := max(window[0], s.org.now()-30*days)
	first, _ := slices.BinarySearchFunc(s.org.meetings, start, func(m meeting, t int64) int { return cmp.Compare(m.SlotStart, t) })
	found := []meeting{}
	for _, m := range s.org.meetings[first:] {
		if m.SlotStart > window[1] || len(found) == limit {
			break
		}
		found = append(found, m)
	}
	return data(found)
}
