package backup_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"bobine/storage"
	"bobine/storage/backup"
)

// glacier is a store whose sources lie in an archive: each is asked for once,
// and is ready when it was asked for again.
type glacier struct {
	storage.Store
	mu    sync.Mutex
	asked map[storage.Ref]int
	fails error
}

func (g *glacier) frozen(r storage.Ref) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(r) > 8 && r[:8] == "sources/" && g.asked[r] < 2
}

func (g *glacier) Open(ctx context.Context, r storage.Ref, off, n int64) (io.ReadCloser, error) {
	if g.frozen(r) {
		return nil, storage.ErrArchived
	}
	return g.Store.Open(ctx, r, off, n)
}

func (g *glacier) Thaw(_ context.Context, r storage.Ref, days int32) (bool, error) {
	if g.fails != nil || days < 1 {
		return false, g.fails
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if r[:8] == "sources/" {
		g.asked[r]++
		return g.asked[r] >= 2, nil
	}
	return true, nil
}

// What lies in an archive is told, asked for, waited for, and then brought;
// the rest does not wait for it.
func TestRestoreArchived(t *testing.T) {
	own, copies, to := folder(t, "own"), folder(t, "copy"), folder(t, "to")
	f, items := publish(t, own, "film")
	if _, err := backup.Copy(t.Context(), own.Place, copies.Place, items); err != nil {
		t.Fatal(err)
	}
	if err := backup.Save(t.Context(), copies.Store, f); err != nil {
		t.Fatal(err)
	}
	cold := &glacier{Store: copies.Store, asked: map[storage.Ref]int{}}
	from := []backup.Place{{Name: "copy", Store: cold}}

	r, err := backup.Verify(t.Context(), "film", []backup.Place{own.Place, from[0]}, backup.Options{Deep: true})
	if err != nil || r.Archived != 1 || len(r.Findings) != 0 {
		t.Errorf("a deep look at what is archived: %+v, %v", r, err)
	}
	archived, err := backup.RestoreAll(t.Context(), from, to.Place, items)
	if err != nil || len(archived) != 1 || !archived[0].Source {
		t.Fatalf("archived %+v, %v", archived, err)
	}
	for n, want := range []int{1, 0} {
		if waiting, err := backup.Thaw(t.Context(), from, archived); err != nil || waiting != want {
			t.Errorf("asked %d times: %d wait, %v, want %d", n+1, waiting, err, want)
		}
	}
	if archived, err = backup.RestoreAll(t.Context(), from, to.Place, archived); err != nil || len(archived) != 0 {
		t.Errorf("archived %+v, %v", archived, err)
	}
	if lacks := equal(t, to.Store, items); lacks != nil {
		t.Error(lacks)
	}
	cold.fails = errors.New("not allowed")
	if _, err := backup.Thaw(t.Context(), from, items); !errors.Is(err, cold.fails) {
		t.Errorf("an archive that refuses: %v", err)
	}
	if _, err := backup.Thaw(t.Context(), []backup.Place{own.Place}, items); !errors.Is(err, storage.ErrArchived) {
		t.Errorf("a place that has no archive: %v", err)
	}
}
