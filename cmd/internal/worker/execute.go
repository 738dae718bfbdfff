package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bobine/encoder"
	"bobine/encoder/ffmpeg"
	"bobine/encoder/packaging"
	"bobine/encoder/verify"
	"bobine/queue"
	"bobine/storage"
)

// execute does what the task says and returns what it leaves behind.
func (w *Worker) execute(ctx context.Context, t queue.Task) (queue.Outcome, error) {
	var j queue.Job
	err := w.insist(ctx, func() (err error) {
		j, err = w.ledger.Job(ctx, t.Job)
		return err
	})
	if err != nil {
		return queue.Outcome{}, err
	}
	switch t.Kind {
	case queue.KindProbe:
		return w.probe(ctx, j, t)
	case queue.KindVideo, queue.KindAudio, queue.KindCaptions:
		return w.encode(ctx, j, t)
	case queue.KindVerify:
		return w.verify(ctx, j)
	case queue.KindPublish:
		return w.publish(ctx, j)
	case queue.KindBackup:
		return w.backup(ctx, j)
	}
	return queue.Outcome{}, fmt.Errorf("task %s: this worker does not know the kind %q: is it older than the controller?", t.ID, t.Kind)
}

func (w *Worker) probe(ctx context.Context, j queue.Job, t queue.Task) (queue.Outcome, error) {
	in, err := w.input(ctx, j)
	if err != nil {
		return queue.Outcome{}, err
	}
	defer in.release()
	src, err := in.encoder.Probe(ctx, in.path)
	if err != nil {
		if filepath.Base(in.path) != j.Origin.Name {
			err = fmt.Errorf("%q: %w", j.Origin.Name, err) // it was fetched, and is kept under the job's id
		}
		return queue.Outcome{}, err
	}
	src.Mark = in.mark
	if src.Unread && in.source != nil {
		w.leave(ctx, passedRef(t), in, mostPassed(in.reader.Passed()))
	}
	return queue.Outcome{Source: &src, Fetched: in.fetched()}, nil
}

// encode makes one chunk, or the sound or the captions of the whole film, and stores it under
// names that carry chunk and attempt.
func (w *Worker) encode(ctx context.Context, j queue.Job, t queue.Task) (queue.Outcome, error) {
	if j.Source == nil || j.Ladder == nil {
		return queue.Outcome{}, fmt.Errorf("encode %s: the job has no ladder yet", t.ID)
	}
	in, err := w.input(ctx, j)
	if err != nil {
		return queue.Outcome{}, err
	}
	defer in.release()
	dir := filepath.Join(w.scratch, fmt.Sprintf("%s-%d", t.ID, t.Attempt))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return queue.Outcome{}, fmt.Errorf("make scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)

	if in.source != nil && j.Source.Unread {
		if in.encoder, err = w.takeUp(ctx, j, t, in); err != nil {
			return queue.Outcome{}, err
		}
	}
	report := func(p encoder.Progress) { w.progress(t, p) }
	var res encoder.Result
	folder, ext := "v", ".mp4"
	switch t.Kind {
	case queue.KindAudio:
		folder = "a"
		res, err = in.encoder.Audio(ctx, ffmpeg.AudioJob{Input: in.path, Source: *j.Source, Ladder: *j.Ladder, Dir: dir, Report: report})
	case queue.KindCaptions:
		folder, ext = "c", ".vtt"
		res, err = w.captions(ctx, j, in, dir, report)
	default:
		res, err = in.encoder.Video(ctx, ffmpeg.VideoJob{Input: in.path, Source: *j.Source, Ladder: *j.Ladder, Chunk: j.Ladder.Chunks[t.Chunk], Dir: dir, Report: report})
		if err == nil && in.source != nil && j.Source.Unread {
			w.passOn(ctx, j, t, in)
		}
	}
	if err != nil {
		return queue.Outcome{}, err
	}
	for _, track := range res.Tracks {
		if err := w.putTrack(ctx, filepath.Join(dir, track.Rendition+ext), storage.Join(j.Root(), folder, track.Rendition), t, track); err != nil {
			return queue.Outcome{}, err
		}
	}
	if err := w.putBeside(ctx, filepath.Join(dir, ffmpeg.PosterFile), storage.Join(j.Root(), encoder.PosterName(t.Chunk, t.Attempt)), res.Poster); err != nil {
		return queue.Outcome{}, err
	}
	if err := w.putBeside(ctx, filepath.Join(dir, ffmpeg.TilesFile), storage.Join(j.Root(), encoder.TilesName(t.Chunk, t.Attempt)), res.Tiles); err != nil {
		return queue.Outcome{}, err
	}
	if err := w.putBeside(ctx, filepath.Join(dir, ffmpeg.Line21File), line21Ref(t), res.Line21); err != nil {
		return queue.Outcome{}, err
	}
	return queue.Outcome{Encode: &res, Warnings: res.Warnings, Fetched: in.fetched()}, nil
}

// putBeside stores what was made of a chunk beside its tracks, if it was.
func (w *Worker) putBeside(ctx context.Context, path string, to storage.Ref, want *encoder.File) error {
	if want == nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open what was made of the chunk: %w", err)
	}
	defer f.Close()
	return w.put(ctx, to, f, *want)
}

// putTrack stores the files of a track, which lie one behind the other in one.
func (w *Worker) putTrack(ctx context.Context, path string, folder storage.Ref, t queue.Task, track encoder.Track) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the encoded track: %w", err)
	}
	defer f.Close()
	var off int64
	for name, want := range track.Files(t.Chunk, t.Attempt) {
		if err := w.put(ctx, storage.Join(string(folder), name), io.NewSectionReader(f, off, want.Bytes), want); err != nil {
			return err
		}
		off += want.Bytes
	}
	return nil
}

// put stores one file and compares what was stored with what was verified.
func (w *Worker) put(ctx context.Context, r storage.Ref, body io.Reader, want encoder.File) error {
	got, err := w.store.Put(ctx, r, body, storage.PutOptions{})
	if err != nil {
		return fmt.Errorf("store %s: %w", r, err)
	}
	if got.Bytes != want.Bytes || got.SHA256 != want.SHA256 {
		return fmt.Errorf("store %s: %d bytes with digest %.12s were stored, but %d with %.12s were verified", r, got.Bytes, got.SHA256, want.Bytes, want.SHA256)
	}
	return nil
}

// verify judges the whole film from its parts: numbers first, then that
// every file is in the store, then the playlists it will be shown by.
func (w *Worker) verify(ctx context.Context, j queue.Job) (queue.Outcome, error) {
	pub, err := w.assemble(ctx, j)
	if err != nil {
		return queue.Outcome{}, err
	}
	checks := append(pub.checks, verify.Whole(pub.film)...)
	if err := firstFailed(checks); err != nil {
		return queue.Outcome{}, err
	}
	beside, made, err := w.beside(ctx, j, pub)
	if err != nil {
		return queue.Outcome{}, err
	}
	checks = append(checks, made...)
	if err := w.compose(&pub, j, beside); err != nil {
		return queue.Outcome{}, err
	}
	at := func(name string) storage.Ref {
		if name == packaging.Poster {
			return pub.poster // gets its name with publication
		}
		return storage.Join(j.Root(), name)
	}
	walked, err := verify.Walk(ctx, verify.Shelf{
		Outputs: j.Ladder.Outputs,
		Read:    pub.read,
		Stat: func(name string) (int64, error) {
			o, err := w.store.Stat(ctx, at(name))
			return o.Bytes, err
		},
		Open: func(name string) (io.ReadCloser, error) { return w.store.Open(ctx, at(name), 0, -1) },
	})
	if err != nil {
		return queue.Outcome{}, err
	}
	checks = append(checks, walked.Checks...)
	if err := firstFailed(checks); err != nil {
		return queue.Outcome{}, err
	}
	return queue.Outcome{Made: pub.film.Made(), Checks: checks, Beside: beside, Versions: &pub.versions}, nil
}

func firstFailed(checks []encoder.Check) error {
	if c, failed := verify.FirstFailed(checks); failed {
		return &checkError{c}
	}
	return nil
}

// publish writes the playlists, then the master playlist, and last the record,
// by which the film becomes visible. Then it sweeps what losing attempts left.
func (w *Worker) publish(ctx context.Context, j queue.Job) (queue.Outcome, error) {
	pub, err := w.assemble(ctx, j)
	if err != nil {
		return queue.Outcome{}, err
	}
	name := func(file string) storage.Ref { return storage.Join(j.Root(), file) }
	out := pub.record.Outputs(j.Root())
	if pub.poster != "" {
		if err := w.createPoster(ctx, pub.poster, name(packaging.Poster)); err != nil {
			return queue.Outcome{}, err
		}
	}
	for _, f := range pub.files {
		if err := w.create(ctx, name(f.Name), f); err != nil {
			return queue.Outcome{}, err
		}
	}
	out.Latest = j.Latest()
	if err := w.writeDown(ctx, j, &out, pub); err != nil {
		return queue.Outcome{}, err
	}
	if err := w.lead(ctx, j, out); err != nil {
		return queue.Outcome{}, err
	}
	keep := map[storage.Ref]bool{name(packaging.Log): true}
	for _, f := range pub.record.Files {
		keep[name(f.Name)] = true
	}
	if err := w.sweep(ctx, j, keep); err != nil {
		// The film is out: what is left over is only untidy.
		w.log.Warn("what losing attempts left was not swept", "job", j.ID, "error", err)
	}
	return queue.Outcome{Outputs: &out}, nil
}

// lead has those who follow a source find this film, unless there is a newer.
func (w *Worker) lead(ctx context.Context, j queue.Job, out queue.Outputs) error {
	s, ok := w.store.(storage.Swapper)
	if !ok {
		return fmt.Errorf("publish %s: the store swaps nothing", out.Latest)
	}
	return s.Swap(ctx, storage.Ref(out.Latest), func(old []byte) ([]byte, error) { return packaging.Lead(old, j, out) })
}

// create stores a file that may exist already from an attempt whose reply
// was lost: then it must be the same to the byte.
func (w *Worker) create(ctx context.Context, r storage.Ref, f packaging.File) error {
	_, err := w.store.Put(ctx, r, bytes.NewReader(f.Body), storage.PutOptions{IfAbsent: true, ContentType: f.ContentType})
	if !errors.Is(err, storage.ErrExist) {
		return err
	}
	old, err := w.store.Open(ctx, r, 0, -1)
	if err != nil {
		return err
	}
	defer old.Close()
	have, err := io.ReadAll(io.LimitReader(old, int64(len(f.Body))+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", r, err)
	}
	if !bytes.Equal(have, f.Body) {
		return fmt.Errorf("publish %s: another version is there already, and is never overwritten", r)
	}
	return nil
}

func (w *Worker) createPoster(ctx context.Context, from, to storage.Ref) error {
	body, err := w.store.Open(ctx, from, 0, -1)
	if errors.Is(err, storage.ErrNotExist) {
		// Swept by an attempt that got further than its reply.
		_, err = w.store.Stat(ctx, to)
		return err
	}
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = w.store.Put(ctx, to, body, storage.PutOptions{})
	return err
}

// sweep deletes what is not part of the published film.
func (w *Worker) sweep(ctx context.Context, j queue.Job, keep map[storage.Ref]bool) error {
	var gone []storage.Ref
	for _, folder := range []string{j.Root(), j.Scratch()} {
		for o, err := range w.store.List(ctx, storage.Ref(folder)) {
			if err != nil {
				return fmt.Errorf("sweep job %s: %w", j.ID, err)
			}
			if !keep[o.Ref] {
				gone = append(gone, o.Ref)
			}
		}
	}
	return w.store.Delete(ctx, gone...)
}
