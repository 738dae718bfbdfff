package storagetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"bobine/storage"
)

// swap is held of stores that are storage.Swappers.
func swap(t *testing.T, s storage.Store) {
	sw, ok := s.(storage.Swapper)
	if !ok {
		t.Skip("this store swaps nothing")
	}
	const r = "outputs/p/latest/film.json"
	for _, first := range []string{"", "first"} {
		said := []string{}
		if err := sw.Swap(t.Context(), r, func(old []byte) ([]byte, error) {
			said = append(said, fmt.Sprintf("%q %t", old, old == nil))
			return []byte(string(old) + "+"), nil
		}); err != nil {
			t.Errorf("swap %q: %v", first, err)
		}
		wantBody(t, s, r, first+"+")
		if len(said) != 1 || said[0] != fmt.Sprintf("%q %t", first, first == "") {
			t.Errorf("change was given %q", said)
		}
		put(t, s, r, "first")
	}
	if err := sw.Swap(t.Context(), r, func([]byte) ([]byte, error) { return nil, nil }); err != nil {
		t.Error(err)
	}
	if err := sw.Swap(t.Context(), r, func([]byte) ([]byte, error) { return nil, errCut }); !errors.Is(err, errCut) {
		t.Errorf("a change that fails: %v", err)
	}
	wantBody(t, s, r, "first")
	wantAbsentSwap(t, sw)
}

func wantAbsentSwap(t *testing.T, s storage.Swapper) {
	t.Helper()
	if err := s.Swap(t.Context(), "never", func([]byte) ([]byte, error) { return nil, nil }); err != nil {
		t.Error(err)
	}
	wantAbsent(t, s, "never")
	if err := s.Swap(t.Context(), "../out", func([]byte) ([]byte, error) { return []byte("x"), nil }); !errors.Is(err, storage.ErrBadRef) {
		t.Errorf("a bad name: %v", err)
	}
}

func swapAtOnce(t *testing.T, s storage.Store) {
	sw, ok := s.(storage.Swapper)
	if !ok {
		t.Skip("this store swaps nothing")
	}
	const each, many = 4, 4
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			for range each {
				err := sw.Swap(t.Context(), "count", func(old []byte) ([]byte, error) {
					n, _ := strconv.Atoi(string(old))
					return []byte(strconv.Itoa(n + 1)), nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantBody(t, s, "count", strconv.Itoa(each*many))
}
