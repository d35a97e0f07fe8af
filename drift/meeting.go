package drift

import (
	"context"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A Meeting is an appointment of a contact with a user, booked through Drift.
// It has no id of its own.
type Meeting struct {
	AgentID         ID            `json:"agentId,omitzero"` // the user who is to come
	OrgID           ID            `json:"orgId,omitzero"`
	SchedulerID     ID            `json:"schedulerId,omitzero"`    // the contact who booked
	ConversationID  ID            `json:"conversationId,omitzero"` // where it was booked; 0 if elsewhere
	BookedBy        ID            `json:"bookedBy,omitzero"`       // the user who booked for the contact; 0 if none did
	Status          MeetingStatus `json:"status,omitzero"`
	Source          *string       `json:"meetingSource,omitzero"` // such as EMAIL_DROP
	Type            *string       `json:"meetingType,omitzero"`   // such as New Meeting
	EventID         *string       `json:"eventId,omitzero"`       // id in the calendar
	Slug            *string       `json:"slug,omitzero"`
	MeetingSlug     *string       `json:"meetingSlug,omitzero"`
	EndUserTimeZone *string       `json:"endUserTimeZone,omitzero"` // of the contact, such as Europe/Stockholm
	Notes           *string       `json:"meetingNotes,omitzero"`
	ConferenceType  *string       `json:"conferenceType,omitzero"` // such as ZOOM
	JoinURL         *string       `json:"-"`                       // where the conference is held; conferenceDetails.join_url on the wire
	SlotStart       Millis        `json:"slotStart,omitzero"`
	SlotEnd         Millis        `json:"slotEnd,omitzero"`
	ScheduledAt     Millis        `json:"scheduledAt,omitzero"` // when it was booked
	UpdatedAt       Millis        `json:"updatedAt,omitzero"`
	Recurring       bool          `json:"isRecurring,omitzero"`
	Private         bool          `json:"isPrivate,omitzero"`
	OrgSlug         bool          `json:"isOrgSlug,omitzero"`
}

func (m *Meeting) present() bool { return m != nil }

// plainMeeting is a meeting without its methods.
type plainMeeting Meeting

// meetingJSON is a meeting on the wire.
type meetingJSON struct {
	*plainMeeting
	Conference conference `json:"conferenceDetails,omitzero"`
}

// conference says where a meeting is held.
type conference struct {
	JoinURL *string `json:"join_url,omitzero"`
}

// MarshalJSONTo writes a meeting as Drift does.
func (m *Meeting) MarshalJSONTo(enc *jsontext.Encoder) error {
	return json.MarshalEncode(enc, &meetingJSON{(*plainMeeting)(m), conference{m.JoinURL}})
}

// UnmarshalJSONFrom reads a meeting as Drift writes it.
func (m *Meeting) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	wire := meetingJSON{plainMeeting: (*plainMeeting)(m)}
	if err := json.UnmarshalDecode(dec, &wire); err != nil {
		return err
	}
	m.JoinURL = wire.Conference.JoinURL
	return nil
}

// MeetingStatus says whether a meeting is to be held. Values that are not
// listed here may occur.
type MeetingStatus string

// The states of meetings that are known.
const (
	MeetingActive   MeetingStatus = "ACTIVE"
	MeetingCanceled MeetingStatus = "CANCELED"
)

// UnmarshalJSONFrom reads a status in any case.
func (s *MeetingStatus) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return readEnum(dec, s, MeetingActive, MeetingCanceled)
}

// MaxMeetings is how many meetings one call returns at most.
const MaxMeetings = 1000

// Meetings returns at most limit of the organisation's meetings between from
// and to, or Drift's default of 100 if limit is 0. There is no second page: if
// as many as limit come back, ask again for a shorter time. Drift looks no more
// than 30 days back.
//
// GET /users/meetings/org
// https://devdocs.drift.com/docs/get-booked-meetings
func (c *Client) Meetings(ctx context.Context, from, to Millis, limit int) ([]*Meeting, error) {
	query := url.Values{
		"min_start_time": {strconv.FormatInt(int64(from), 10)},
		"max_start_time": {strconv.FormatInt(int64(to), 10)},
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(min(limit, MaxMeetings)))
	}
	return fetch(ctx, c, call{route: "/users/meetings/org", query: query}, many[Meeting])
}
