package drift

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

// TestTurns checks who goes first: lanes in turn, and in a lane the highest
// priority, then who came first; at last the calls that nobody waits for.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1, nil)
		if err := turns.acquire(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		inbox, small := new(Lane), new(Lane)
		var order []string
		wait := func(name string, ctx context.Context) {
			go func() {
				if err := turns.acquire(ctx, ""); err != nil {
					t.Error(err)
				}
				order = append(order, name)
				turns.release()
			}()
			synctest.Wait()
		}
		wait("inbox, leaf 1", WithPlace(t.Context(), inbox, 0))
		wait("inbox, leaf 2", WithPlace(t.Context(), inbox, 0))
		wait("inbox, chain", WithPlace(t.Context(), inbox, 2))
		wait("small", WithPlace(t.Context(), small, 0))
		wait("neither", t.Context())
		turns.release()
		synctest.Wait()
		want := []string{"inbox, chain", "small", "inbox, leaf 1", "inbox, leaf 2", "neither"}
		if !slices.Equal(order, want) {
			t.Errorf("the order was %q, want %q", order, want)
		}
		if turns.free != 1 {
			t.Errorf("%d turns are free, want 1", turns.free)
		}
	})
}

// TestTurnsGivenUp checks that a call that gives up leaves no trace, also when
// its turn comes at that moment.
func TestTurnsGivenUp(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			turns := newTurns(1, nil)
			if err := turns.acquire(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var gaveUp error
			go func() {
				if gaveUp = turns.acquire(WithPlace(ctx, new(Lane), 1), ""); gaveUp == nil {
					turns.release()
				}
			}()
			synctest.Wait()
			go turns.release()
			cancel()
			synctest.Wait()
			if gaveUp != nil && !errors.Is(gaveUp, context.Canceled) {
				t.Errorf("it failed by %v", gaveUp)
			}
			if turns.free != 1 {
				t.Fatalf("%d turns are free, want 1", turns.free)
			}
		})
	}
}
