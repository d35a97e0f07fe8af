package graph

import (
	"fmt"
	"io"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/relay"
)

// unknown is the value of every enum for what Drift may add to it.
const unknown = "UNKNOWN"

// An enum is the values of an enum of the schema, as marshalers, by their names
// on the wire.
type enum[T ~string] struct {
	name   string
	values map[T]graphql.Marshaler
	wire   map[string]T
	absent graphql.Marshaler
}

// newEnum returns an enum whose values have the same names on the wire, but
// for their case. An absent value is null.
func newEnum[T ~string](name string, values ...T) *enum[T] {
	e := &enum[T]{name: name, values: make(map[T]graphql.Marshaler), wire: map[string]T{unknown: unknown}, absent: graphql.Null}
	for _, v := range values {
		upper := strings.ToUpper(string(v))
		e.values[v] = literal(upper)
		e.wire[upper] = v
	}
	return e
}

// always makes an absent value UNKNOWN, for fields that cannot be null.
func (e *enum[T]) always() *enum[T] {
	e.absent = literal(unknown)
	return e
}

func literal(name string) graphql.Marshaler {
	text := []byte(`"` + name + `"`)
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(text) })
}

var unknownLiteral = literal(unknown)

func (e *enum[T]) marshal(v T) graphql.Marshaler {
	if m, ok := e.values[v]; ok {
		return m
	}
	if v == "" {
		return e.absent
	}
	return unknownLiteral
}

func (e *enum[T]) unmarshal(v any) (T, error) {
	if name, ok := v.(string); ok {
		if value, ok := e.wire[name]; ok {
			return value, nil
		}
	}
	return "", relay.BadInput("%s is no %s", fmt.Sprintf("%.80q", fmt.Sprint(v)), e.name)
}

var (
	userAvailabilities    = newEnum("UserAvailability", drift.Available, drift.Offline, drift.OnCall)
	userRoles             = newEnum("UserRole", drift.RoleMember, drift.RoleAdmin, drift.RoleAgent)
	conversationStatuses  = newEnum("ConversationStatus", drift.ConversationOpen, drift.ConversationClosed, drift.ConversationPending, drift.ConversationBulkSent).always()
	messageTypes          = newEnum("MessageType", drift.MessageChat, drift.MessagePrivateNote, drift.MessagePrivatePrompt, drift.MessageSuggestion, drift.MessageEdit).always()
	authorTypes           = newEnum("AuthorType", drift.AuthorContact, drift.AuthorUser).always()
	messageButtonTypes    = newEnum[string]("MessageButtonType", "reply", "compose", "action", "noop")
	messageButtonStyles   = newEnum[string]("MessageButtonStyle", "primary", "danger")
	buttonReactionTypes   = newEnum[string]("ButtonReactionType", "replace", "delete")
	customPropertyTypes   = newEnum[string]("CustomPropertyType", "STRING", "EMAIL", "NUMBER", "PHONE", "URL", "DATE", "DATETIME", "ENUM", "ENUMARRAY", "LATLON", "LAT", "LON", "TEAMMEMBER").always()
	teamStatuses          = newEnum("TeamStatus", drift.TeamEnabled, drift.TeamArchived).always()
	teamAvailabilityModes = newEnum("TeamAvailabilityMode", drift.TeamAlwaysOnline, drift.TeamAlwaysOffline, drift.TeamCustomHours)
	meetingStatuses       = newEnum("MeetingStatus", drift.MeetingActive, drift.MeetingCanceled).always()
	contactAttributeTypes = newEnum("ContactAttributeType", drift.AttributeString, drift.AttributeNumeric, drift.AttributeBoolean, drift.AttributeDateTime, drift.AttributeDate).always()
)

// gqlgen finds the pair of functions for an enum by its name.

// MarshalUserAvailability writes a value of the enum UserAvailability.
func MarshalUserAvailability(v drift.UserAvailability) graphql.Marshaler {
	return userAvailabilities.marshal(v)
}

// UnmarshalUserAvailability reads a value of the enum UserAvailability.
func UnmarshalUserAvailability(v any) (drift.UserAvailability, error) {
	return userAvailabilities.unmarshal(v)
}

// MarshalUserRole writes a value of the enum UserRole.
func MarshalUserRole(v drift.UserRole) graphql.Marshaler { return userRoles.marshal(v) }

// UnmarshalUserRole reads a value of the enum UserRole.
func UnmarshalUserRole(v any) (drift.UserRole, error) { return userRoles.unmarshal(v) }

// MarshalConversationStatus writes a value of the enum ConversationStatus.
func MarshalConversationStatus(v drift.ConversationStatus) graphql.Marshaler {
	return conversationStatuses.marshal(v)
}

// UnmarshalConversationStatus reads a value of the enum ConversationStatus.
func UnmarshalConversationStatus(v any) (drift.ConversationStatus, error) {
	return conversationStatuses.unmarshal(v)
}

// MarshalMessageType writes a value of the enum MessageType.
func MarshalMessageType(v drift.MessageType) graphql.Marshaler { return messageTypes.marshal(v) }

// UnmarshalMessageType reads a value of the enum MessageType.
func UnmarshalMessageType(v any) (drift.MessageType, error) { return messageTypes.unmarshal(v) }

// MarshalAuthorType writes a value of the enum AuthorType.
func MarshalAuthorType(v drift.AuthorType) graphql.Marshaler { return authorTypes.marshal(v) }

// UnmarshalAuthorType reads a value of the enum AuthorType.
func UnmarshalAuthorType(v any) (drift.AuthorType, error) { return authorTypes.unmarshal(v) }

// MarshalMessageButtonType writes a value of the enum MessageButtonType.
func MarshalMessageButtonType(v string) graphql.Marshaler { return messageButtonTypes.marshal(v) }

// UnmarshalMessageButtonType reads a value of the enum MessageButtonType.
func UnmarshalMessageButtonType(v any) (string, error) { return messageButtonTypes.unmarshal(v) }

// MarshalMessageButtonStyle writes a value of the enum MessageButtonStyle.
func MarshalMessageButtonStyle(v string) graphql.Marshaler { return messageButtonStyles.marshal(v) }

// UnmarshalMessageButtonStyle reads a value of the enum MessageButtonStyle.
func UnmarshalMessageButtonStyle(v any) (string, error) { return messageButtonStyles.unmarshal(v) }

// MarshalButtonReactionType writes a value of the enum ButtonReactionType.
func MarshalButtonReactionType(v string) graphql.Marshaler { return buttonReactionTypes.marshal(v) }

// UnmarshalButtonReactionType reads a value of the enum ButtonReactionType.
func UnmarshalButtonReactionType(v any) (string, error) { return buttonReactionTypes.unmarshal(v) }

// MarshalCustomPropertyType writes a value of the enum CustomPropertyType.
func MarshalCustomPropertyType(v string) graphql.Marshaler { return customPropertyTypes.marshal(v) }

// UnmarshalCustomPropertyType reads a value of the enum CustomPropertyType.
func UnmarshalCustomPropertyType(v any) (string, error) { return customPropertyTypes.unmarshal(v) }

// MarshalTeamStatus writes a value of the enum TeamStatus.
func MarshalTeamStatus(v drift.TeamStatus) graphql.Marshaler { return teamStatuses.marshal(v) }

// UnmarshalTeamStatus reads a value of the enum TeamStatus.
func UnmarshalTeamStatus(v any) (drift.TeamStatus, error) { return teamStatuses.unmarshal(v) }

// MarshalTeamAvailabilityMode writes a value of the enum TeamAvailabilityMode.
func MarshalTeamAvailabilityMode(v drift.TeamAvailabilityMode) graphql.Marshaler {
	return teamAvailabilityModes.marshal(v)
}

// UnmarshalTeamAvailabilityMode reads a value of the enum TeamAvailabilityMode.
func UnmarshalTeamAvailabilityMode(v any) (drift.TeamAvailabilityMode, error) {
	return teamAvailabilityModes.unmarshal(v)
}

// MarshalMeetingStatus writes a value of the enum MeetingStatus.
func MarshalMeetingStatus(v drift.MeetingStatus) graphql.Marshaler { return meetingStatuses.marshal(v) }

// UnmarshalMeetingStatus reads a value of the enum MeetingStatus.
func UnmarshalMeetingStatus(v any) (drift.MeetingStatus, error) { return meetingStatuses.unmarshal(v) }

// MarshalContactAttributeType writes a value of the enum ContactAttributeType.
func MarshalContactAttributeType(v drift.ContactAttributeType) graphql.Marshaler {
	return contactAttributeTypes.marshal(v)
}

// UnmarshalContactAttributeType reads a value of the enum ContactAttributeType.
func UnmarshalContactAttributeType(v any) (drift.ContactAttributeType, error) {
	return contactAttributeTypes.unmarshal(v)
}
