package cache

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// secret returns a key of 32 bytes that differs by n.
func secret(n byte) []byte {
	b := bytes.Repeat([]byte{n}, keySize)
	b[0]++
	return b
}

func mustKeys(t testing.TB, secrets ...byte) *Keys {
	t.Helper()
	var words []string
	for _, n := range secrets {
		words = append(words, hex.EncodeToString(secret(n)))
	}
	keys, err := ParseKeys(strings.Join(words, ","))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestParseKeys(t *testing.T) {
	b := secret(0xfb) // whose base64 has the signs that differ
	for _, text := range []string{
		hex.EncodeToString(b),
		strings.ToUpper(hex.EncodeToString(b)),
		base64.StdEncoding.EncodeToString(b),
		base64.RawStdEncoding.EncodeToString(b),
		base64.URLEncoding.EncodeToString(b),
		base64.RawURLEncoding.EncodeToString(b),
		base64.StdEncoding.EncodeToString(b) + ", " + hex.EncodeToString(secret(1)),
	} {
		keys, err := ParseKeys(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !bytes.Equal(keys.all[0].secret, b) {
			t.Errorf("%s is read as %x", text, keys.all[0].secret)
		}
	}
	for _, text := range []string{
		"", ",", "secret", "hunter2-hunter2-hunter2-hunter2-", hex.EncodeToString(b)[2:], hex.EncodeToString(b) + "00",
		base64.StdEncoding.EncodeToString(b[1:]), hex.EncodeToString(b) + ",", strings.Repeat("00", 32), strings.Repeat("A", 43) + "=",
	} {
		keys, err := ParseKeys(text)
		if err == nil {
			t.Errorf("%q is read as %d keys", text, len(keys.all))
		} else if text != "" && text != "," && strings.Contains(err.Error(), text) {
			t.Errorf("the error quotes %q", text)
		}
	}
}

// What was sealed opens under its own name and times, and by its own key, or not
// at all.
func TestSeal(t *testing.T) {
	k := newUsers(t, time.Hour, time.Minute, time.Hour)
	place, other := fullKey{"t", "user", "1"}, fullKey{"t", "user", "2"}
	for _, u := range []*user{nil, {ID: 1, Name: "Ada-the-marked"}} {
		plain, err := toWire(k.record(u, k.cache.moment()), k.shape, k.encode)
		if err != nil {
			t.Fatal(err)
		}
		old, rotated := mustKeys(t, 1), mustKeys(t, 2, 1)
		sealed, err := old.seal(place.String(), plain)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(sealed, []byte("Ada-the-marked")) {
			t.Errorf("what is sealed can be read: %q", sealed)
		}
		again, err := old.seal(place.String(), plain)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(sealed, again) {
			t.Error("the same record is sealed to the same bytes")
		}
		if k.revive(string(sealed), moment{}) != nil {
			t.Error("a process without keys reads what is sealed")
		}
		for _, tt := range []struct {
			name string
			keys *Keys
			full fullKey
			wire []byte
			want bool
		}{
			{"its own key", old, place, sealed, true},
			{"its key among others", rotated, place, sealed, true},
			{"a newer key", mustKeys(t, 2), place, sealed, false},
			{"another record's place", old, other, sealed, false},
			{"another tenant's place", old, fullKey{"u", "user", "1"}, sealed, false},
			{"another kind's place", old, fullKey{"t", "contact", "1"}, sealed, false},
			{"not sealed", old, place, plain, false},
			{"said to be sealed", old, place, append([]byte{plain[0], plain[1] | sealedFlag}, plain[2:]...), false},
		} {
			got := tt.keys.open(tt.full, string(tt.wire))
			if (got != "") != tt.want || tt.want && got != string(plain) {
				t.Errorf("%v: %s: opens to %q", u, tt.name, got)
			}
		}
		// Not one byte can be another, those of the times included.
		rapid.Check(t, func(t *rapid.T) {
			spoilt := bytes.Clone(sealed)
			at := rapid.IntRange(0, len(spoilt)-1).Draw(t, "at")
			spoilt[at] ^= rapid.ByteRange(1, 255).Draw(t, "flip")
			if got := old.open(place, string(spoilt)); got != "" {
				t.Errorf("with byte %d changed it opens to %q", at, got)
			}
			if got := old.open(place, string(sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")])); got != "" {
				t.Errorf("cut short it opens to %q", got)
			}
		})
	}
}

// The cost of a record on its way to Redis and back, beside its encoding.
func BenchmarkSeal(b *testing.B) {
	keys, place := mustKeys(b, 1), fullKey{"t", "contact", "17035536800"}
	for _, size := range []int{200, 1000, 10_000} {
		plain := append([]byte{layoutVersion}, make([]byte, headerSize-1+size)...)
		b.Run("seal/"+strconv.Itoa(size), func(b *testing.B) {
			b.ReportAllocs()
			key := place.String()
			for b.Loop() {
				if _, err := keys.seal(key, plain); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("open/"+strconv.Itoa(size), func(b *testing.B) {
			b.ReportAllocs()
			sealed, err := keys.seal(place.String(), plain)
			if err != nil {
				b.Fatal(err)
			}
			wire := string(sealed)
			for b.Loop() {
				if keys.open(place, wire) == "" {
					b.Fatal("it does not open")
				}
			}
		})
	}
}

// A text is sealed as records are, for a place of its own.
func TestSealText(t *testing.T) {
	old, rotated := mustKeys(t, 1), mustKeys(t, 2, 1)
	const text = "{ contactsByEmail(email: \"ada-the-marked\") }"
	sealed, err := old.SealText("here", text, time.Now())
	if err != nil || strings.Contains(sealed, "ada-the-marked") {
		t.Fatalf("the text is sealed as %q, %v", sealed, err)
	}
	for _, tt := range []struct {
		name          string
		keys          *Keys
		place, sealed string
		want          string
	}{
		{"its own key", old, "here", sealed, text},
		{"its key among others", rotated, "here", sealed, text},
		{"a newer key", mustKeys(t, 2), "here", sealed, ""},
		{"another place", old, "there", sealed, ""},
		{"cut short", old, "here", sealed[:len(sealed)-1], ""},
		{"not sealed", old, "here", text, ""},
		{"nothing", old, "here", "", ""},
		{"no keys", nil, "here", text, text},
	} {
		if got := tt.keys.OpenText(tt.place, tt.sealed); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if plain, err := (*Keys)(nil).SealText("here", text, time.Now()); plain != text || err != nil {
		t.Errorf("without keys the text is kept as %q, %v", plain, err)
	}
	place := fullKey{"t", "user", "1"}
	if old.open(place, sealed) != "" {
		t.Error("a text opens as a record")
	}
}
