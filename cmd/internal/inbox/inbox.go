// Package inbox finds what no hook told: it lists the places where partners
// put their films, and reads the queues that buckets announce them in.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"bobine/queue"
	"bobine/queue/ingest"
	"bobine/storage"
)

// Options are what a Sweeper is made of. All are needed.
type Options struct {
	// Partners lists all partners.
	Partners func(ctx context.Context) ([]queue.Partner, error)

	// Bucket opens a whole bucket.
	Bucket func(ctx context.Context, name string) (storage.Store, error)

	// Receive makes each notice into exactly one job.
	Receive func(ctx context.Context, ns []queue.Notice) ([]queue.Receipt, error)

	// Drop is a folder with one folder for each partner that may leave files
	// in it: a way of uploading, to which no rule applies; "": there is none.
	Drop string

	Every time.Duration // from one sweep to the next
	Log   *slog.Logger
}

// batch is how many notices are received at once.
const batch = 100

// Sweeper lists inboxes. Use New.
type Sweeper struct {
	o       Options
	still   map[string]string // marks of dropped files at the last look: what has not changed since is whole
	refused map[string]string // marks of files that were refused: told once
}

// New makes a sweeper. It does nothing until Run.
func New(o Options) *Sweeper {
	return &Sweeper{o: o, still: map[string]string{}, refused: map[string]string{}}
}

// Run sweeps until ctx ends. An inbox that cannot be listed does not keep the
// others from it.
func (s *Sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("an inbox was not swept whole: the next sweep tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep looks into every inbox once.
func (s *Sweeper) Sweep(ctx context.Context) error {
	partners, err := s.o.Partners(ctx)
	if err != nil {
		return err
	}
	var errs []error
	seen := map[string]string{}
	for _, p := range partners {
		for _, in := range p.Inbox {
			errs = append(errs, s.take(ctx, s.list(ctx, p, in, seen)))
		}
		if s.o.Drop != "" {
			dir := filepath.Join(s.o.Drop, p.Name)
			errs = append(errs, s.take(ctx, s.folder(p, dir, queue.ByUpload, seen)))
		}
	}
	s.still = seen
	for name, mark := range s.refused {
		if seen[name] != mark {
			delete(s.refused, name)
		}
	}
	return errors.Join(errs...)
}

// take receives what a listing finds, in batches.
func (s *Sweeper) take(ctx context.Context, found iter.Seq2[queue.Notice, error]) error {
	var part []queue.Notice
	flush := func() error {
		if len(part) == 0 {
			return nil
		}
		receipts, err := s.o.Receive(ctx, part)
		if err != nil {
			return err
		}
		for i, r := range receipts {
			s.told(part[i], r)
		}
		part = part[:0]
		return nil
	}
	for n, err := range found {
		if err != nil {
			return errors.Join(err, flush())
		}
		if part = append(part, n); len(part) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (s *Sweeper) told(n queue.Notice, r queue.Receipt) {
	switch {
	case r.New:
		s.o.Log.Info("found in an inbox", "partner", n.Partner, "job", r.Job)
	case r.Refused != nil && s.refused[n.Source] != n.ETag:
		s.refused[n.Source] = n.ETag
		s.o.Log.Warn("what lies in an inbox is refused", "partner", n.Partner, "source", n.Source, "reason", r.Refused.Message)
	}
}

// list walks an inbox of a partner.
func (s *Sweeper) list(ctx context.Context, p queue.Partner, in string, seen map[string]string) iter.Seq2[queue.Notice, error] {
	u, err := url.Parse(in)
	switch {
	case err != nil:
		return failed(fmt.Errorf("sweep %s of %s: %w", in, p.Name, err))
	case u.Scheme == "file":
		return s.folder(p, u.Path, queue.BySweep, seen)
	case u.Scheme != "s3":
		return failed(fmt.Errorf("sweep %s of %s: only buckets and folders can be listed", in, p.Name))
	}
	return func(yield func(queue.Notice, error) bool) {
		b, err := s.o.Bucket(ctx, u.Host)
		if err != nil {
			yield(queue.Notice{}, fmt.Errorf("sweep %s of %s: %w", in, p.Name, err))
			return
		}
		for o, err := range b.List(ctx, storage.Ref(strings.Trim(u.Path, "/"))) {
			if err != nil {
				yield(queue.Notice{}, fmt.Errorf("sweep %s of %s: %w", in, p.Name, err))
				return
			}
			source, err := ingest.Object(u.Host, string(o.Ref))
			if err != nil || o.Bytes == 0 || aside(string(o.Ref)) {
				continue // the mark of a folder, or what is no film by its name
			}
			mark := ingest.ETag(o.ETag)
			seen[source] = mark
			if !yield(queue.Notice{Partner: p.Name, Way: queue.BySweep, Source: source, Bytes: o.Bytes, ETag: mark}, nil) {
				return
			}
		}
	}
}

// folder walks a folder of this machine. A file is taken when it has not
// changed since the last look: a copy may still be running. Links are not
// followed: they could lead out of the folder.
func (s *Sweeper) folder(p queue.Partner, dir string, way queue.Way, seen map[string]string) iter.Seq2[queue.Notice, error] {
	return func(yield func(queue.Notice, error) bool) {
		err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone, or no such folder yet
			}
			if err != nil || !e.Type().IsRegular() || aside(strings.TrimPrefix(name, dir)) {
				return err
			}
			info, err := e.Info()
			if err != nil || info.Size() == 0 {
				return nil // gone meanwhile, or only begun
			}
			source, err := ingest.File(name)
			if err != nil {
				return nil
			}
			mark := queue.FileMark(info)
			seen[source] = mark
			if s.still[source] != mark {
				return nil
			}
			if !yield(queue.Notice{Partner: p.Name, Way: way, Source: source, Bytes: info.Size(), ETag: mark}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(queue.Notice{}, fmt.Errorf("sweep the folder %s of %s: %w", dir, p.Name, err))
		}
	}
}

// aside tells names that are no films: hidden ones, and those that tools give
// to files on their way.
func aside(name string) bool {
	for part := range strings.SplitSeq(filepath.ToSlash(name), "/") {
		if strings.HasPrefix(part, ".") {
			return true
		}
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".part", ".tmp", ".crdownload", ".filepart", ".info", ".md5", ".sha256", ".txt", ".xml", ".json", ".jpg", ".jpeg", ".png", ".pdf", ".srt", ".vtt":
		return true
	}
	return false
}

func failed(err error) iter.Seq2[queue.Notice, error] {
	return func(yield func(queue.Notice, error) bool) { yield(queue.Notice{}, err) }
}
