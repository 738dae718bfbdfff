package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bobine/encoder"
	"bobine/encoder/ffmpeg"
	"bobine/queue"
	"bobine/storage"
)

// captions reads all words of a film. Those in the pictures of an unread source
// were left by the chunks' tasks, or are looked for in all of it.
func (w *Worker) captions(ctx context.Context, j queue.Job, in input, dir string, report func(encoder.Progress)) (encoder.Result, error) {
	c := ffmpeg.CaptionsJob{Input: in.path, Source: *j.Source, Ladder: *j.Ladder, Dir: dir, Report: report}
	enc := in.encoder
	if j.Source.Unread {
		var err error
		c.Line21, err = w.line21(ctx, j, dir)
		switch {
		case errors.Is(err, storage.ErrNotExist):
			c.Source.Unread = false
			if in.reader != nil {
				enc = w.encoder.Filling(in.reader)
			}
		case err != nil:
			return encoder.Result{}, err
		}
	}
	return enc.Captions(ctx, c)
}

// line21 brings what chunks found in their pictures.
func (w *Worker) line21(ctx context.Context, j queue.Job, dir string) ([]string, error) {
	var tasks []queue.Task
	var outcomes map[string]queue.Outcome
	err := w.insist(ctx, func() (err error) {
		if tasks, err = w.siblings.Tasks(ctx, j.ID); err == nil {
			outcomes, err = w.siblings.Outcomes(ctx, j.ID)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var files []string
	for _, t := range tasks {
		o := outcomes[t.ID].Encode
		if t.State != queue.Finished || o == nil || o.Line21 == nil {
			continue
		}
		path := filepath.Join(dir, fmt.Sprintf("line21-%d.json", t.Chunk))
		if err := w.bringFile(ctx, line21Ref(t), path, *o.Line21); err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	return files, nil
}

// bringFile brings an object here, as it was stored.
func (w *Worker) bringFile(ctx context.Context, from storage.Ref, path string, want encoder.File) (err error) {
	body, err := w.store.Open(ctx, from, 0, -1)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		body.Close()
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	got, err := w.digest(ctx, func() (io.ReadCloser, error) {
		return struct {
			io.Reader
			io.Closer
		}{io.TeeReader(body, f), body}, nil
	})
	if err == nil && got != want {
		err = fmt.Errorf("read %s: %w", from, storage.ErrDigest)
	}
	return err
}
