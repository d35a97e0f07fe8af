package main

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// TestLimitMemory has the process run in containers that may take so much, or any
// amount: the collector keeps to nine tenths of it, unless GOMEMLIMIT is set.
func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	if was, set := os.LookupEnv("GOMEMLIMIT"); set {
		t.Setenv("GOMEMLIMIT", was)
		os.Unsetenv("GOMEMLIMIT")
	}
	for name, tt := range map[string]struct {
		container memlimit.Provider
		want      int64
		said      string
	}{
		"a container of 1000 MiB": {memlimit.Limit(1000 << 20), 900 << 20, "900 MiB"},
		"one without a bound":     {memlimit.Limit(math.MaxInt64), math.MaxInt64, ""},
		"none":                    {func() (uint64, error) { return 0, errors.New("there is none") }, math.MaxInt64, ""},
	} {
		debug.SetMemoryLimit(math.MaxInt64)
		book := new(logbook)
		limitMemory(slog.New(slog.NewTextHandler(book, nil)), tt.container)
		// A ninth of the largest number that there is may be lost in rounding.
		if got := debug.SetMemoryLimit(-1); got != tt.want && (tt.want != math.MaxInt64 || got < math.MaxInt64/10*8) {
			t.Errorf("%s: the collector keeps to %d, want %d", name, got, tt.want)
		}
		if said := book.String(); tt.said != "" && !strings.Contains(said, tt.said) {
			t.Errorf("%s: the log says %q", name, said)
		}
	}
	debug.SetMemoryLimit(123 << 20)
	t.Setenv("GOMEMLIMIT", "123MiB")
	limitMemory(slog.New(slog.DiscardHandler), memlimit.Limit(1000<<20))
	if got := debug.SetMemoryLimit(-1); got != 123<<20 {
		t.Errorf("GOMEMLIMIT is overruled by %d", got)
	}
}
