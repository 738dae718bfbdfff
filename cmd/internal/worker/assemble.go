package worker

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
)

// publication is everything a job will show, worked out from the ledger
// alone: each attempt to verify or publish comes to the same.
type publication struct {
	film   packaging.Film
	files  []packaging.File // playlists, the master and then the record last: by them the film becomes visible
	record packaging.Record
	checks []encoder.Check     // of the chunks, folded
	poster storage.Ref         // where the winning chunk left it; empty: none
	tiles  map[int]storage.Ref // of the storyboard, where the winning chunks left them

	posterFile *encoder.File
	versions   queue.Versions
}

// versions are those of this worker.
func (w *Worker) versions() queue.Versions {
	return queue.Versions{Bobine: w.Version, FFmpeg: w.encoder.Version()}
}

// read gives one of the files that are to be published.
func (p publication) read(name string) ([]byte, error) {
	for _, f := range p.files {
		if f.Name == name {
			return f.Body, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// assemble gathers the winning parts of a job, and what was made beside them
// if that was verified.
func (w *Worker) assemble(ctx context.Context, j queue.Job) (publication, error) {
	var tasks []queue.Task
	var outcomes map[string]queue.Outcome
	err := w.insist(ctx, func() (err error) {
		if tasks, err = w.ledger.Tasks(ctx, j.ID); err == nil {
			outcomes, err = w.ledger.Outcomes(ctx, j.ID)
		}
		return err
	})
	if err != nil {
		return publication{}, err
	}
	if j.Source == nil || j.Ladder == nil {
		return publication{}, fmt.Errorf("assemble job %s: it has no ladder", j.ID)
	}
	p := publication{tiles: map[int]storage.Ref{}}
	var parts []encoder.Part
	for _, t := range tasks {
		o, ok := outcomes[t.ID]
		if t.State != queue.Finished || !ok || o.Encode == nil {
			continue
		}
		for _, track := range o.Encode.Tracks {
			parts = append(parts, encoder.Part{Chunk: t.Chunk, Attempt: t.Attempt, Track: track})
		}
		p.checks = append(p.checks, o.Encode.Checks...)
		if o.Encode.Poster != nil {
			p.posterFile = o.Encode.Poster
			p.poster = storage.Join(j.Root(), encoder.PosterName(t.Chunk, t.Attempt))
		}
		if o.Encode.Tiles != nil {
			p.tiles[t.Chunk] = storage.Join(j.Root(), encoder.TilesName(t.Chunk, t.Attempt))
		}
	}
	if p.film, err = packaging.Join(*j.Source, *j.Ladder, parts); err != nil {
		return publication{}, fmt.Errorf("assemble job %s: %w", j.ID, err)
	}
	p.checks = fold(p.checks, *j.Ladder)
	verified := outcomes[queue.TaskID(j.ID, queue.KindVerify, 0)]
	p.versions = w.versions()
	if verified.Versions != nil {
		p.versions = *verified.Versions
	}
	return p, w.compose(&p, j, verified.Beside)
}

// compose writes the playlists and the record.
func (w *Worker) compose(p *publication, j queue.Job, beside []encoder.Stored) error {
	p.film.Beside = beside
	p.record = p.film.Record(j, p.posterFile, p.versions)
	body, err := p.record.Marshal()
	if err != nil {
		return fmt.Errorf("write the record of job %s: %w", j.ID, err)
	}
	p.files = nil
	var master []packaging.File
	for _, f := range p.film.Files() {
		if f.Name == packaging.Master {
			master = append(master, f)
		} else {
			p.files = append(p.files, f)
		}
	}
	p.files = append(append(p.files, master...), packaging.File{Name: packaging.Log, Body: body, ContentType: "application/json"})
	return nil
}

// fold makes one check of those that every chunk made alike of one rendition,
// with the numbers of the chunk that came nearest to failing.
func fold(all []encoder.Check, l encoder.Ladder) []encoder.Check {
	known := map[string]bool{}
	for _, r := range slices.Concat(l.Video, l.Audio, l.Captions) {
		known[r.Name] = true
	}
	var out []encoder.Check
	at, parts := map[string]int{}, map[string]int{}
	for _, c := range all {
		if of, _, ok := strings.Cut(c.Detail, ": "); ok && known[of] {
			c.Name += " " + of
		}
		parts[c.Name]++
		i, seen := at[c.Name]
		if !seen {
			at[c.Name] = len(out)
			out = append(out, c)
			continue
		}
		if out[i].OK && (!c.OK || c.Margin < out[i].Margin) {
			out[i] = c
		}
	}
	for i, c := range out {
		if n := parts[c.Name]; n > 1 && c.OK {
			out[i].Detail = fmt.Sprintf("%s; likewise in %d more parts", c.Detail, n-1)
		}
	}
	return out
}
