package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// TestListingGoesRoundDamage: a listing tells of a damaged block, and has every entity whose rows are in others.
func TestListingGoesRoundDamage(t *testing.T) {
	ctx := context.Background()
	fs := vfs.NewMem()
	s, err := pebble.Open("data", options(t, fs))
	if err != nil {
		t.Fatal(err)
	}
	f, err := own(ctx, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	const entities = 60
	rng := rand.New(rand.NewPCG(1, 2))
	id := func(n int) journal.EntityID {
		return journal.EntityID{Namespace: "carts", Key: fmt.Sprintf("cart-%03d", n)}
	}
	for n := range entities {
		noise := make([]byte, 8000)
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		if err := s.Append(ctx, f, id(n), 0, []journal.Entry{{Payload: append(fmt.Appendf(nil, "<event of %03d>", n), noise...)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, hit := range [][]int{{0}, {17}, {17, 18, 19}, {9, 40}, {entities - 2}} {
		t.Run(fmt.Sprint(hit), func(t *testing.T) {
			fs := copied(t, fs)
			for _, n := range hit {
				for _, path := range files(t, fs, "data") {
					data := read(t, fs, path)
					if at := bytes.Index(data, fmt.Appendf(nil, "<event of %03d>", n)); at >= 0 {
						data[at] ^= 0x55
						put(t, fs, path, data)
					}
				}
			}
			s, err := pebble.Open("data", options(t, fs))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			for _, page := range []int{0, 7} {
				seen := map[journal.EntityID]int{}
				told := 0
				for after := journal.Cursor(""); ; {
					list, next, err := s.List(ctx, after, page)
					if err != nil {
						if !errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), "cannot be listed") {
							t.Fatal(err)
						}
						if told++; told > len(hit) {
							t.Fatalf("told of damage %d times: %v", told, err)
						}
					}
					for _, l := range list {
						seen[l.ID]++
					}
					if next == "" {
						break
					}
					after = next
				}
				if told == 0 {
					t.Error("nothing was said of the damage")
				}
				for n := range entities {
					want := 1
					for _, h := range hit {
						if n == h {
							want = 0
						}
					}
					if seen[id(n)] != want {
						t.Errorf("pages of %d: cart %d is listed %d times, want %d", page, n, seen[id(n)], want)
					}
				}
			}
		})
	}
}
