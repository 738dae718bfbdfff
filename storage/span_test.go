package storage_test

import (
	"math/rand/v2"
	"testing"

	"bobine/storage"
)

// Sets of bytes, against one flag for each byte.
func TestSpans(t *testing.T) {
	const size = 40
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var flags [size]bool
		var all []storage.Span
		for range rng.IntN(6) {
			from := rng.Int64N(size)
			x := storage.Span{From: from, To: from + rng.Int64N(size-from+1)}
			all = append(all, x)
			for i := x.From; i < x.To; i++ {
				flags[i] = true
			}
		}
		spans := storage.Merge(all...)
		from := rng.Int64N(size)
		window := storage.Span{From: from, To: from + rng.Int64N(size-from+1)}
		in, out := spans.In(window), spans.Outside(window)
		var got [size]int
		for _, x := range in {
			for i := x.From; i < x.To; i++ {
				got[i] = 1
			}
		}
		for _, x := range out {
			for i := x.From; i < x.To; i++ {
				got[i] += 2
			}
		}
		count := int64(0)
		for i, f := range flags {
			want := 0
			if int64(i) >= window.From && int64(i) < window.To {
				want = 2
				if f {
					want = 1
				}
			}
			if f {
				count++
			}
			if got[i] != want {
				t.Fatalf("seed %d: byte %d of %v in %v: got %d, want %d", seed, i, spans, window, got[i], want)
			}
		}
		if spans.Bytes() != count {
			t.Fatalf("seed %d: %v are %d bytes, want %d", seed, spans, spans.Bytes(), count)
		}
	}
}
