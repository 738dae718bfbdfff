// Package backup keeps second copies of published films: it makes them, proves
// them, mends one copy from another, and finds films again when the ledger is
// lost. It works on any stores. Nothing counts as copied before its digest was
// compared with the one in bobine.json, and every step may be repeated.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
)

// Place is a store that holds films, all under the same names.
type Place struct {
	Name    string // as people know it
	Store   storage.Store
	Outputs string // storage class of what is published; empty: the store's choice
	Source  string // the same of sources
}

// Film is what must be known of a published film to prove it and to bring it
// back without the ledger. It lies as films/<job>.json in the film's own store
// and in each copy.
type Film struct {
	Job    queue.Job     `json:"job"`              // as it was when it was published, or since
	Record encoder.File  `json:"record"`           // bobine.json
	Source *encoder.File `json:"source,omitempty"` // as it was copied; nil: not yet
	Kept   bool          `json:"kept,omitempty"`   // the source lies in the film's own store too
}

// Item is one object of a film.
type Item struct {
	Ref    storage.Ref
	Bytes  int64
	SHA256 string
	Type   string // of content; empty: told by the name
	Source bool

	// Open reads it from elsewhere. nil: it lies in the film's own store.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

const folder = "films"

// Ref is where a film's record for us lies.
func Ref(job string) storage.Ref { return storage.Join(folder, job+".json") }

// SourceRef is where a job's source is kept, wherever it came from.
func SourceRef(j queue.Job) storage.Ref { return storage.Join("sources", j.Partner, j.ID) }

// envelope tells whether what is inside is still what was put there.
type envelope struct {
	SHA256 string          `json:"sha256"` // of film without white space
	Film   json.RawMessage `json:"film"`
}

func (f Film) encode() ([]byte, error) {
	film, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("write down the film of job %s: %w", f.Job.ID, err)
	}
	return json.MarshalIndent(envelope{digest(film), film}, "", " ")
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Save writes a film down in a store.
func Save(ctx context.Context, s storage.Store, f Film) error {
	b, err := f.encode()
	if err == nil {
		_, err = s.Put(ctx, Ref(f.Job.ID), bytes.NewReader(b), storage.PutOptions{})
	}
	if err != nil {
		return fmt.Errorf("write down the film of job %s: %w", f.Job.ID, err)
	}
	return nil
}

// Load reads what Save wrote. storage.ErrNotExist, storage.ErrDigest.
func Load(ctx context.Context, s storage.Store, job string) (Film, error) {
	b, err := read(ctx, s, Ref(job), 64<<20)
	if err != nil {
		return Film{}, err
	}
	var e envelope
	var f Film
	var plain bytes.Buffer
	if json.Unmarshal(b, &e) != nil || json.Compact(&plain, e.Film) != nil || digest(plain.Bytes()) != e.SHA256 ||
		json.Unmarshal(e.Film, &f) != nil || f.Job.ID != job {
		return Film{}, fmt.Errorf("read %s: %w", Ref(job), storage.ErrDigest)
	}
	return f, nil
}

// read takes a small object whole.
func read(ctx context.Context, s storage.Store, r storage.Ref, most int64) ([]byte, error) {
	body, err := s.Open(ctx, r, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r, err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("read %s: it is larger than %d bytes", r, most)
	}
	return b, nil
}

// Jobs lists the jobs whose films a store knows, in the order of their ids.
func Jobs(ctx context.Context, s storage.Store) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range s.List(ctx, folder) {
			if err != nil {
				yield("", err)
				return
			}
			job, ok := strings.CutSuffix(path.Base(string(o.Ref)), ".json")
			if ok && !yield(job, nil) {
				return
			}
		}
	}
}

// Find reads a film from whichever place knows most of it. storage.ErrNotExist
// when none does.
func Find(ctx context.Context, job string, places ...Place) (Film, error) {
	var best Film
	var errs []error
	damaged := false
	for _, p := range places {
		f, err := Load(ctx, p.Store, job)
		switch {
		case errors.Is(err, storage.ErrDigest):
			damaged = true
			errs = append(errs, fmt.Errorf("%s: %w", p.Name, err))
		case errors.Is(err, storage.ErrNotExist):
		case err != nil:
			return Film{}, fmt.Errorf("%s: %w", p.Name, err)
		case best.Job.ID == "" || best.Source == nil && f.Source != nil || len(best.Job.Copies) < len(f.Job.Copies):
			best = f
		}
	}
	if best.Job.ID != "" {
		return best, nil
	}
	if damaged {
		return Film{}, errors.Join(errs...)
	}
	return Film{}, fmt.Errorf("no film of job %s: %w", job, storage.ErrNotExist)
}

// Read gives a film's bobine.json, from the first place where it is what the
// film says.
func (f Film) Read(ctx context.Context, places ...Place) (packaging.Record, error) {
	r := storage.Join(f.Job.Root(), packaging.Log)
	var errs []error
	for _, p := range places {
		b, err := read(ctx, p.Store, r, 256<<20)
		if err == nil && digest(b) != f.Record.SHA256 {
			err = fmt.Errorf("read %s: %w", r, storage.ErrDigest)
		}
		var record packaging.Record
		if err == nil {
			record, err = packaging.ReadRecord(b)
		}
		if err == nil {
			return record, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", p.Name, err))
	}
	return packaging.Record{}, fmt.Errorf("find the record of job %s: %w", f.Job.ID, errors.Join(errs...))
}

// Items lists all objects of a film, bobine.json last; the source before it,
// if its digest is known.
func (f Film) Items(r packaging.Record) []Item {
	var items []Item
	for _, x := range r.Files {
		items = append(items, Item{Ref: storage.Join(f.Job.Root(), x.Name), Bytes: x.Bytes, SHA256: x.SHA256, Type: x.ContentType})
	}
	if f.Source != nil {
		items = append(items, Item{Ref: SourceRef(f.Job), Bytes: f.Source.Bytes, SHA256: f.Source.SHA256, Source: true})
	}
	return append(items, Item{Ref: storage.Join(f.Job.Root(), packaging.Log), Bytes: f.Record.Bytes, SHA256: f.Record.SHA256})
}

// Digest reads a body to its end.
func Digest(r io.Reader) (encoder.File, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	return encoder.File{Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}
