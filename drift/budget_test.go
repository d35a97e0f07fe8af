package drift

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestFairness has one caller ask for 50 operations of 20 calls each, and then
// another for one of 3: where there is a token each 100 ms, the calls of the
// second have every other one of them.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(64, &pace{perSecond: 10})
		var order []string
		var mu sync.Mutex
		var calls sync.WaitGroup
		ask := func(caller string, lane *Lane) {
			calls.Go(func() {
				if err := turns.acquire(WithPlace(t.Context(), lane, 0), ""); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, caller)
				mu.Unlock()
				turns.release()
			})
		}
		for range 50 {
			lane := &Lane{Caller: "heavy"}
			for range 20 {
				ask("heavy", lane)
			}
		}
		synctest.Wait()
		light := &Lane{Caller: "light"}
		for range 3 {
			ask("light", light)
		}
		calls.Wait()
		if last := slices.Index(slices.Collect(reversed(order)), "light"); len(order)-last > 8 {
			t.Errorf("the last call of the light one is the %dth of %d", len(order)-last, len(order))
		}
		if len(order) != 1003 || turns.anyoneWaits() || turns.free != 64 {
			t.Errorf("%d calls were made, %d turns are free", len(order), turns.free)
		}
	})
}

func reversed(list []string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range slices.Backward(list) {
			if !yield(v) {
				return
			}
		}
	}
}

// TestLate has more calls come than can be made before their operation is over:
// those that cannot fail at once, with the time to their turn; the others are
// made. So does one that comes when the budget is in a pause.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := &pace{perSecond: 10}
		turns := newTurns(64, budget)
		begun := time.Now()
		lane := &Lane{Deadline: begun.Add(time.Second)}
		var made atomic.Int32
		var late atomic.Int32
		var calls sync.WaitGroup
		ask := func(ctx context.Context) {
			calls.Go(func() {
				err := turns.acquire(ctx, "")
				var failure *lateTurn
				switch {
				case err == nil:
					made.Add(1)
					turns.release()
				case !errors.As(err, &failure) || failure.wait < time.Since(begun) || failure.wait > 5*time.Second:
					t.Errorf("it failed by %v", err)
				case time.Since(begun) > 300*time.Millisecond:
					t.Errorf("it failed after %v, want at once", time.Since(begun))
				default:
					late.Add(1)
				}
			})
		}
		for range 40 {
			ask(WithPlace(t.Context(), lane, 0))
		}
		calls.Wait()
		if n := made.Load(); n < 9 || n > 11 || late.Load() != 40-n {
			t.Errorf("%d calls were made and %d failed, want about 10 of 40 made", n, late.Load())
		}

		budget.Refused(time.Now(), time.Minute, 0)
		paused := time.Now()
		var failure *lateTurn
		err := turns.acquire(WithPlace(t.Context(), &Lane{Deadline: paused.Add(15 * time.Second)}, 0), "")
		if !errors.As(err, &failure) || failure.wait < 59*time.Second || time.Since(paused) != 0 {
			t.Errorf("in a pause a call failed by %v after %v", err, time.Since(paused))
		}
		if err := turns.acquire(WithPlace(t.Context(), new(Lane), 0), ""); err != nil || time.Since(paused) < time.Minute {
			t.Errorf("one that may take any time failed by %v, or went after %v", err, time.Since(paused))
		}
	})
}

// TestSpare holds that calls which nobody waits for go last, take no token that
// is kept for others, and give up soon.
func TestSpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := &pace{perSecond: 1, kept: 3}
		turns := newTurns(64, budget)
		begun := time.Now()
		failed := make(chan error, 1)
		go func() { failed <- turns.acquire(t.Context(), "") }()
		synctest.Wait()
		if err := turns.acquire(WithPlace(t.Context(), new(Lane), 0), ""); err != nil || time.Since(begun) != 0 {
			t.Errorf("a call failed by %v, or waited %v for a refresh", err, time.Since(begun))
		}
		var late *lateTurn
		if err := <-failed; !errors.As(err, &late) || time.Since(begun) > spareTime {
			t.Errorf("the refresh failed by %v after %v", err, time.Since(begun))
		}
	})
}

// A pace is a budget of so many calls a second, one at a time, of which those
// kept are not for spare calls.
type pace struct {
	perSecond float64
	kept      int

	mu   sync.Mutex
	next time.Time
}

func (p *pace) Open() bool { return false }

func (p *pace) Take(_ int, spare bool) (int, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, step := time.Now(), time.Duration(float64(time.Second)/p.perSecond)
	due := p.next
	if spare {
		due = due.Add(time.Duration(p.kept) * step)
		if p.next.IsZero() {
			due = now.Add(time.Duration(p.kept) * step)
		}
	}
	if now.Before(due) {
		return 0, due.Sub(now)
	}
	p.next = now.Add(step)
	return 1, step
}

func (p *pace) Refused(_ time.Time, retryAfter time.Duration, _ float64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = time.Now().Add(retryAfter)
	return retryAfter
}

func (p *pace) Level() (left, most int, perSecond float64) { return 0, 1, p.perSecond }

// TestBreaker has a group of routes fail: it is left alone, and the calls that
// wait for a turn fail too; others are made; and when its time is over one call
// alone tries, and decides for how it goes on.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		broken, hold := atomic.Bool{}, make(chan struct{})
		broken.Store(true)
		client := over(t, Options{Concurrency: 2}, func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/users") {
				return answers(http.StatusOK, `{"data":{"id":7}}`), nil
			}
			asked.Add(1)
			if broken.Load() {
				return answers(http.StatusServiceUnavailable, ""), nil
			}
			<-hold
			return answers(http.StatusOK, `{"data":{"id":7}}`), nil
		})
		ask := func() error {
			_, err := client.Contact(t.Context(), 7)
			return err
		}
		failsAlone := func() {
			t.Helper()
			before := asked.Load()
			err := ask()
			var failure *Error
			if !errors.As(err, &failure) || !errors.Is(err, ErrUnavailable) || failure.RetryAfter <= 0 || failure.RetryAfter > 7*time.Second {
				t.Errorf("a call to what is left alone failed by %v, to be made again in %v", err, failure.RetryAfter)
			}
			if asked.Load() != before {
				t.Error("a group that is left alone is asked")
			}
		}

		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				if err := ask(); !errors.Is(err, ErrUnavailable) {
					t.Errorf("it failed by %v", err)
				}
			})
		}
		calls.Wait()
		if n := asked.Load(); n < failedOf || n > failedOf+2 {
			t.Errorf("100 calls that fail are %d requests, want %d", n, failedOf)
		}
		failsAlone()
		if _, err := client.User(t.Context(), 7); err != nil {
			t.Errorf("another group is left alone: %v", err)
		}
		mustStand(t, client, "contacts open", "users closed")

		time.Sleep(leftAlone * 6 / 5) // with the jitter
		before := asked.Load()
		if err := ask(); !errors.Is(err, ErrUnavailable) || asked.Load() != before+1 {
			t.Errorf("the one that tries failed by %v, in %d requests", err, asked.Load()-before)
		}
		mustStand(t, client, "contacts open", "users closed")

		time.Sleep(leftAlone * 6 / 5)
		broken.Store(false)
		before = asked.Load()
		tried := make(chan error)
		go func() { tried <- ask() }()
		synctest.Wait()
		mustStand(t, client, "contacts half-open", "users closed")
		failsAlone()
		if asked.Load() != before+1 {
			t.Errorf("%d calls try, want 1", asked.Load()-before)
		}
		close(hold)
		if err := <-tried; err != nil {
			t.Error(err)
		}
		mustStand(t, client, "contacts closed", "users closed")
		if err := ask(); err != nil {
			t.Error(err)
		}
	})
}

// TestBreakerUnsent has the call that is to try never be sent, since its operation
// may make no more: that tells nothing of the group, which is left alone still.
func TestBreakerUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spent := errors.New("no more calls")
		var broke atomic.Bool
		client := over(t, Options{Admit: func(context.Context, Call) error {
			if broke.Load() {
				return spent
			}
			return nil
		}}, func(*http.Request) (*http.Response, error) { return answers(http.StatusServiceUnavailable, ""), nil })
		for range failedOf {
			_, _ = client.Contact(t.Context(), 7)
		}
		mustStand(t, client, "contacts open")
		time.Sleep(leftAlone * 6 / 5) // with the jitter
		broke.Store(true)
		if _, err := client.Contact(t.Context(), 7); !errors.Is(err, spent) {
			t.Errorf("the one that was to try failed by %v", err)
		}
		mustStand(t, client, "contacts open")
	})
}

// TestBreakerRefusals holds that a group is called however much it refuses.
func TestBreakerRefusals(t *testing.T) {
	for _, status := range []int{400, 403, 404, 409, 429} {
		client := over(t, Options{}, func(*http.Request) (*http.Response, error) { return answers(status, ""), nil })
		for range 3 * failedOf {
			_, _ = client.Contact(t.Context(), 7)
		}
		mustStand(t, client, "contacts closed")
	}
}

// TestRetryBudget has a third of many calls fail at once, in a group that goes on
// being called: few of them are made again.
func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int64
		client := over(t, Options{Concurrency: 1000}, func(*http.Request) (*http.Response, error) {
			n := begun.Add(1)
			time.Sleep(time.Second + time.Duration(n)*time.Microsecond) // they end one after the other
			if n%3 == 0 {
				return answers(http.StatusBadGateway, ""), nil
			}
			return answers(http.StatusOK, `{"data":{"accounts":[],"total":0}}`), nil
		})
		var calls sync.WaitGroup
		for range 300 { // 100 of which fail: never so many of the latest that they are left alone
			calls.Go(func() { _, _ = client.Accounts(t.Context(), 0, 10) })
		}
		calls.Wait()
		s := client.Stats()
		if s.Calls != 300+s.Retries || s.Retries < 10 || s.Retries > 75 {
			t.Errorf("of 300 calls that fail by a third %d are made again, want a fifth of all at most", s.Retries)
		}
	})
}

// over returns a client that has its requests answered by a function, which
// stands in for the network: so its time is that of the test.
func over(t *testing.T, o Options, answer func(*http.Request) (*http.Response, error)) *Client {
	t.Helper()
	o.Auth, o.BaseURL = StaticToken("x"), "http://drift.test"
	client, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	client.http.Transport = transport(answer)
	return client
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func answers(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// mustStand holds that the groups of routes stand so.
func mustStand(t *testing.T, client *Client, want ...string) {
	t.Helper()
	var got []string
	for _, g := range client.Stats().Groups {
		got = append(got, fmt.Sprint(g.Group, " ", g.State))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the groups are %q, want %q", got, want)
	}
}
