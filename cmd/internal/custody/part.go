package custody

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bobine/cmd/internal/inbox"
	"bobine/queue"
	"bobine/storage"
	"bobine/storage/backup"
	"bobine/storage/state"
)

// needed are the sources of all jobs that may still have to read theirs.
func (k *Keeper) needed(ctx context.Context) (map[string]bool, error) {
	if k.o.After == "keep" {
		return nil, nil
	}
	states := slices.DeleteFunc(slices.Clone(queue.States), func(s queue.State) bool { return s == queue.Done })
	jobs, err := k.o.Ledger.Jobs(ctx, state.Filter{States: states})
	if err != nil {
		return nil, err
	}
	urls := map[string]bool{}
	for _, j := range jobs {
		urls[j.Origin.URL] = true
	}
	return urls, nil
}

// part sends a source away by the rule, when all that must hold does: the job
// is done long enough, every place of second copies has the source now, no
// other job needs it, and it is ours to send away. It may end at any line:
// the next round goes on.
func (k *Keeper) part(ctx context.Context, j queue.Job, places []backup.Place, needed map[string]bool, now time.Time) error {
	if k.o.After == "keep" || j.Parted != "" || len(j.Copies) == 0 || len(places) < 2 || now.Before(j.Ended.Add(k.o.Wait)) || needed[j.Origin.URL] {
		return nil
	}
	ours, err := k.ours(ctx, j)
	if err != nil || !ours {
		return err
	}
	f, err := backup.Find(ctx, j.ID, places...)
	if err != nil || f.Source == nil {
		return err
	}
	item := backup.Item{Ref: backup.SourceRef(j), Bytes: f.Source.Bytes, SHA256: f.Source.SHA256, Source: true}
	for _, p := range places[1:] {
		if err := backup.Holds(ctx, p, item); err != nil {
			return fmt.Errorf("the source stays where it is: %w", err)
		}
	}
	parted := "deleted"
	if k.o.After == "archive" {
		parted = "archived"
		if err := k.archive(ctx, j, &f, item, places); err != nil {
			return err
		}
	}
	if err := k.remove(ctx, j, &f, places); err != nil {
		return err
	}
	_, err = k.o.Ledger.UpdateJob(ctx, j.ID, func(j *queue.Job) error {
		j.Parted = parted
		return nil
	})
	if err == nil {
		k.o.Log.Info("a source was "+parted, "job", j.ID, "source", j.Origin.Name)
	}
	return err
}

// ours tells whether a source is one that we may send away: uploaded through
// us, fetched by us, or left in an inbox. What an operator named is theirs.
func (k *Keeper) ours(ctx context.Context, j queue.Job) (bool, error) {
	if j.Way == queue.ByUpload {
		return true, nil
	}
	u, err := url.Parse(j.Origin.URL)
	if err != nil {
		return false, nil
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		return true, nil // the copy in our own store; the web keeps its own
	}
	if j.Way == queue.BySubmit || j.Way == "" {
		return false, nil
	}
	if u.Scheme == "file" && k.o.Drop != "" && strings.HasPrefix(u.Path, filepath.Join(k.o.Drop, j.Partner)+"/") {
		return true, nil
	}
	partners, err := k.o.Partners(ctx)
	if err != nil {
		return false, err
	}
	owner, ok := inbox.Owner(partners, j.Origin.URL)
	return ok && owner == j.Partner, nil
}

// archive brings the source into the farm's own store before it leaves the
// inbox, so that it stays in two places.
func (k *Keeper) archive(ctx context.Context, j queue.Job, f *backup.Film, item backup.Item, places []backup.Place) error {
	if !f.Kept {
		if err := backup.Restore(ctx, places[1:], places[0], item); err != nil {
			return err
		}
		f.Kept = true
		if err := saveAll(ctx, *f, places); err != nil {
			return err
		}
	}
	return backup.Holds(ctx, places[0], item)
}

func saveAll(ctx context.Context, f backup.Film, places []backup.Place) error {
	for _, p := range slices.Backward(places) { // our own last: until then it is done again
		if err := backup.Save(ctx, p.Store, f); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

// remove deletes the source where it lies, unless another took its name.
func (k *Keeper) remove(ctx context.Context, j queue.Job, f *backup.Film, places []backup.Place) error {
	u, err := url.Parse(j.Origin.URL)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "file":
		info, err := os.Lstat(u.Path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && queue.FileMark(info) != j.Origin.Mark {
			return nil
		}
		if err == nil {
			err = os.Remove(u.Path)
		}
		return err
	case "s3":
		s, r, err := k.o.Find(ctx, u)
		if errors.Is(err, storage.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		o, err := s.Stat(ctx, r)
		if errors.Is(err, storage.ErrNotExist) || err == nil && strings.Trim(o.ETag, `"`) != j.Origin.Mark {
			return nil
		}
		if err == nil {
			err = s.Delete(ctx, r)
		}
		return err
	}
	if k.o.After == "archive" {
		return nil // it lies in our own store alone, where it belongs
	}
	f.Kept = false
	if err := saveAll(ctx, *f, places); err != nil { // before it goes, or it would be missed
		return err
	}
	return places[0].Store.Delete(ctx, backup.SourceRef(j))
}
