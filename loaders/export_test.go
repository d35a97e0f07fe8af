package loaders

import "time"

// Hourly keeps everything longer than a test takes.
var Hourly = TTL{
	Contact: time.Hour, User: time.Hour, Conversation: time.Hour, ConversationList: time.Hour, ConversationStats: time.Hour,
	ConversationReport: time.Hour, Message: time.Hour, Account: time.Hour, Team: time.Hour, Playbook: time.Hour, Meeting: time.Hour,
	ContactAttribute: time.Hour, Viewer: time.Hour,
}

// SetWindow sets how long a loader gathers keys that the planner did not
// foresee, and returns what sets it back.
func SetWindow(d time.Duration) (restore func()) {
	before := window
	window = d
	return func() { window = before }
}

// SetAfter sets what Purge waits by before it asks Drift again.
func (s *Source) SetAfter(after func(time.Duration) <-chan time.Time) { s.after = after }

// Alone lets the loaders ask Redis at once, since no planner gathers what they ask.
func (l *Loaders) Alone() *Loaders {
	l.trip.End()
	return l
}
