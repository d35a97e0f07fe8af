package main

import (
	"fmt"
	"sync"
	"time"
)

// A history is what one record in Drift has been: its versions, counted from 0,
// each of which takes the place of the one before.
type history struct {
	name string

	mu       sync.Mutex
	versions []version
}

// A version is one state of a record.
type version struct {
	begun   time.Time // before then nobody can have seen it
	settled time.Time // from then on it was there for sure; zero if that is not known
}

// newHistory returns the history of a record that is, and always was, at version 0:
// whoever asked just before is judged by it, too.
func newHistory(name string) *history {
	return &history{name: name, versions: []version{{settled: time.Now()}}}
}

// begin returns the number of a version that is about to be.
func (h *history) begin() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.versions = append(h.versions, version{begun: time.Now()})
	return len(h.versions) - 1
}

// settle notes that a version is there now.
func (h *history) settle(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.versions[n].settled = time.Now()
}

// judge returns an error if somebody who asked and was answered at these times
// may not have been answered a version: because it was not there yet, or because
// a later one had been there for longer than is allowed of one that came then. It
// returns how long that was, 0 for what is not stale.
func (h *history) judge(n int, asked, answered time.Time, allowed func(time.Time) time.Duration) (age time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n < 0 || n >= len(h.versions) {
		return 0, fmt.Errorf("%s is answered as version %d; there are %d", h.name, n, len(h.versions))
	}
	if answered.Before(h.versions[n].begun) {
		return 0, fmt.Errorf("%s is answered as version %d, %s before it was", h.name, n, h.versions[n].begun.Sub(answered))
	}
	for later := n + 1; later < len(h.versions); later++ {
		if settled := h.versions[later].settled; !settled.IsZero() && settled.Before(asked) {
			age = asked.Sub(settled) // of the first that took its place
			if bound := allowed(settled); age > bound {
				return age, fmt.Errorf("%s is answered as version %d, %s after it was another (%s are allowed); the latest is %d",
					h.name, n, age.Round(time.Millisecond), bound, len(h.versions)-1)
			}
			return age, nil
		}
	}
	return 0, nil
}

// latest returns the number of the last version that is there for sure.
func (h *history) latest() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := len(h.versions) - 1; ; n-- {
		if !h.versions[n].settled.IsZero() {
			return n
		}
	}
}

// A season is a time in which something is wrong.
type season struct{ begun, ended time.Time } // ended is zero while it lasts

// seasons are all times in which one thing is wrong.
type seasons struct {
	mu   sync.Mutex
	list []season
}

func (s *seasons) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, season{begun: time.Now()})
}

func (s *seasons) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list[len(s.list)-1].ended = time.Now()
}

// touch reports whether a time touches a season, or the while after it.
func (s *seasons) touch(from, to time.Time, while time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, season := range s.list {
		if to.After(season.begun) && (season.ended.IsZero() || from.Before(season.ended.Add(while))) {
			return true
		}
	}
	return false
}
