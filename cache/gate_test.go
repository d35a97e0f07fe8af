package cache

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		g := &gate{what: "read", log: slog.New(slog.NewTextHandler(&log, nil))}
		failing := func() error { return errors.New("refused") }
		working := func() error { return nil }
		call := func(fn func() error) bool {
			made, _ := g.do(fn)
			return made
		}

		if !call(working) || !call(failing) {
			t.Fatal("an open gate keeps a call back")
		}
		for _, pause := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
			pause *= time.Millisecond
			if time.Sleep(pause - 1); call(working) {
				t.Fatalf("a call before the pause of %s has ended", pause)
			}
			if time.Sleep(time.Nanosecond); !call(failing) {
				t.Fatalf("no call after the pause of %s", pause)
			}
		}

		time.Sleep(longestPause)
		made := call(func() error {
			if call(working) {
				t.Error("a second call while the first tries out the gate")
			}
			return nil
		})
		if !made || !call(working) || !call(working) {
			t.Error("the gate stays shut after a success")
		}
		if got := strings.Count(log.String(), "\n"); got != 2 {
			t.Errorf("%d lines of log, want one for each change:\n%s", got, &log)
		}

		call(failing)
		if time.Sleep(shortestPause); !call(working) {
			t.Error("the pause is longer than the first should be")
		}
	})
}

// What was under way when the gate shut neither lengthens the pause nor opens it.
func TestGateLatecomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{log: slog.New(slog.DiscardHandler)}
		end := make(chan error)
		for range 10 {
			go g.do(func() error { return <-end })
		}
		synctest.Wait()
		for range 9 {
			end <- errors.New("timeout")
		}
		end <- nil
		synctest.Wait()
		if !g.isShut() {
			t.Error("a call that began before the failure opened the gate")
		}
		time.Sleep(shortestPause)
		if made, _ := g.do(func() error { return nil }); !made || g.isShut() {
			t.Errorf("after the shortest pause: tried %t, shut %t", made, g.isShut())
		}
	})
}

func TestGateSurvivesPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{log: slog.New(slog.DiscardHandler)}
		for range 2 {
			func() {
				defer func() { recover() }()
				g.do(func() error { panic("hook") })
			}()
			time.Sleep(longestPause)
		}
		if made, _ := g.do(func() error { return nil }); !made || g.isShut() {
			t.Errorf("after panics: tried %t, shut %t", made, g.isShut())
		}
	})
}
