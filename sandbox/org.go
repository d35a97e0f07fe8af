package sandbox

import (
	"cmp"
	"slices"
	"time"
)

// An org is all that Drift knows of one organisation.
type org struct {
	id int64

	contacts   map[int64]*contact
	byEmail    map[string][]*contact // the first made first, deleted ones left out
	byExternal map[string]*contact   // likewise
	attributes []attributeDefinition
	tags       []tag // that contacts may have

	users     []*user // by id; removed ones are not here
	teams     []team
	meetings  []meeting // by the start of their slot
	playbooks []playbook
	pages     []landingPage

	conversations map[int64]*conversation
	byUpdate      []*conversation // the latest last; no two have the same UpdatedAt
	attachments   map[int64]*attachment

	accounts    []*account // in the order they were made, with the deleted ones
	accountByID map[string]*account

	// The next id of each kind.
	nextContact, nextConversation, nextMessage, nextUser int64

	frozen bool  // time moves only with writes
	last   int64 // the latest instant that was handed out, in milliseconds
}

// present is the instant at which the sandbox begins.
func (cfg Config) present() time.Time {
	if cfg.Now.IsZero() {
		return time.Now()
	}
	return cfg.Now
}

// now is the present, in milliseconds.
func (o *org) now() int64 {
	if o.frozen {
		return o.last
	}
	return max(o.last, time.Now().UnixMilli())
}

// tick is the instant of a write, later than all before it.
func (o *org) tick() int64 {
	o.last = max(o.now(), o.last+1)
	return o.last
}

// user returns the user with the id, or nil.
func (o *org) user(id int64) *user {
	i, ok := slices.BinarySearchFunc(o.users, id, func(u *user, id int64) int { return cmp.Compare(u.ID, id) })
	if !ok {
		return nil
	}
	return o.users[i]
}

// bot returns the bot that writes where no user is named, or nil if it was removed.
func (o *org) bot() *user {
	for _, u := range o.users {
		if u.Bot {
			return u
		}
	}
	return nil
}
