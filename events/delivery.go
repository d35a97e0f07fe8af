package events

import (
	"context"
	"sync"
)

// A Delivery is an event on its way to the subscribers of this process. Those of
// them who would make the same of it can make it once.
type Delivery struct {
	Event

	mu      sync.Mutex
	answers map[any]*Answer
}

// An Answer is what subscribers make of an event together.
type Answer struct {
	given chan struct{} // closed once it is
	text  []byte
	err   error
}

// Share returns the answer of those who call it with an equal key, which must be
// comparable. The first of them is to give it.
func (d *Delivery) Share(key any) (a *Answer, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.answers[key]; a != nil {
		return a, false
	}
	if d.answers == nil {
		d.answers = make(map[any]*Answer)
	}
	a = &Answer{given: make(chan struct{})}
	d.answers[key] = a
	return a, true
}

// Give hands an answer, or why there is none, to all who wait for it. Nobody may
// change the text.
func (a *Answer) Give(text []byte, err error) {
	a.text, a.err = text, err
	close(a.given)
}

// Wait waits until the answer is given, or ctx ends.
func (a *Answer) Wait(ctx context.Context) ([]byte, error) {
	select {
	case <-a.given:
		return a.text, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
