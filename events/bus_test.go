package events_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/driftgraph/driftgraph/drift"
	"github.com/driftgraph/driftgraph/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newBus(t *testing.T) *events.Bus {
	t.Helper()
	b := events.NewBus(nil, "tenant", slog.New(slog.DiscardHandler))
	t.Cleanup(b.Close)
	return b
}

// waiting returns what waits in a subscription, as kinds and ids.
func waiting(t *testing.T, s *events.Subscription) []events.Event {
	t.Helper()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	list := []events.Event{}
	for {
		e, err := s.Next(over)
		if err != nil {
			return list
		}
		list = append(list, e.Event)
	}
}

func TestFilters(t *testing.T) {
	b := newBus(t)
	all := []events.Event{
		{Kind: events.MessageAdded, Conversation: 1, Message: 7},
		{Kind: events.MessageAdded, Conversation: 2, Message: 8},
		{Kind: events.ConversationStarted, Conversation: 2},
		{Kind: events.ConversationUpdated, Conversation: 1},
		{Kind: events.ContactUpdated, Contact: 1},
		{Kind: events.UserAvailabilityChanged, User: 1},
		{Kind: events.UserAvailabilityChanged, User: 2},
	}
	tests := map[events.Filter][]events.Event{
		{Kind: events.MessageAdded}:                   all[:2],
		{Kind: events.MessageAdded, Of: 2}:            all[1:2],
		{Kind: events.MessageAdded, Of: 7}:            {},
		{Kind: events.ConversationStarted}:            all[2:3],
		{Kind: events.ConversationUpdated, Of: 1}:     all[3:4],
		{Kind: events.ContactUpdated, Of: 1}:          all[4:5],
		{Kind: events.ContactUpdated, Of: 2}:          {},
		{Kind: events.UserAvailabilityChanged, Of: 2}: all[6:],
	}
	subscriptions := map[events.Filter]*events.Subscription{}
	for f := range tests {
		subscriptions[f] = b.Subscribe(f)
	}
	b.Publish(all...)
	for f, want := range tests {
		if diff := cmp.Diff(want, waiting(t, subscriptions[f])); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", f, diff)
		}
		subscriptions[f].Close()
	}
	b.Publish(all...)
	if got := waiting(t, subscriptions[events.Filter{Kind: events.MessageAdded}]); len(got) > 0 || b.Stats().Subscribers != 0 {
		t.Errorf("a closed subscription gets %+v, of %d", got, b.Stats().Subscribers)
	}
}

// An event that comes again is passed over for five minutes.
func TestRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t)
		s := b.Subscribe(events.Filter{Kind: events.ContactUpdated})
		told := func(id string) int {
			b.Publish(events.Event{ID: id, Kind: events.ContactUpdated, Contact: 1})
			return len(waiting(t, s))
		}
		for i, step := range []struct {
			pause time.Duration
			id    string
			want  int
		}{
			{0, "a", 1}, {0, "a", 0}, {0, "b", 1}, {5 * time.Minute, "a", 0}, {time.Nanosecond, "a", 1}, {0, "a", 0}, {0, "", 1}, {0, "", 1},
		} {
			time.Sleep(step.pause) // of the test's own clock
			if got := told(step.id); got != step.want {
				t.Errorf("step %d: %q is told %d times, want %d", i, step.id, got, step.want)
			}
		}
	})
}

// A subscriber that does not keep up finds a gap in the place of what waited,
// and behind it what came later.
func TestOverflow(t *testing.T) {
	b := newBus(t)
	slow, other := b.Subscribe(events.Filter{Kind: events.MessageAdded}), b.Subscribe(events.Filter{Kind: events.MessageAdded, Of: 1000})
	for i := range drift.ID(65) {
		b.Publish(events.Event{Kind: events.MessageAdded, Conversation: i + 1, Message: 1})
	}
	later := events.Event{Kind: events.MessageAdded, Conversation: 1000, Message: 2}
	b.Publish(later)
	if diff := cmp.Diff([]events.Event{{Kind: events.Gap, Reason: events.Overflow}, later}, waiting(t, slow)); diff != "" {
		t.Errorf("the slow one (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]events.Event{later}, waiting(t, other)); diff != "" {
		t.Errorf("the other (-want +got):\n%s", diff)
	}
	if s := b.Stats(); s.Overflows != 1 || s.Gaps != 1 {
		t.Errorf("it counts %+v", s)
	}
}

// Who waits is told when the bus closes, and so is who comes later.
func TestClose(t *testing.T) {
	b := newBus(t)
	ended := make(chan error)
	for range 10 {
		s := b.Subscribe(events.Filter{Kind: events.MessageAdded})
		go func() {
			_, err := s.Next(context.Background())
			ended <- err
		}()
	}
	b.Close()
	for range 10 {
		if err := <-ended; !errors.Is(err, events.ErrClosed) {
			t.Errorf("a subscription ends with %v", err)
		}
	}
	if _, err := b.Subscribe(events.Filter{Kind: events.MessageAdded}).Next(t.Context()); !errors.Is(err, events.ErrClosed) {
		t.Errorf("a later one ends with %v", err)
	}
}
