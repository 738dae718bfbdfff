package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"bobine/encoder"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
)

// beside makes what stands beside the segments and is made of them: the
// storyboard's sheets and the files to download. It stores each under its
// last name, where nothing leads yet; each attempt makes the same bytes.
func (w *Worker) beside(ctx context.Context, j queue.Job, p publication) ([]encoder.Stored, []encoder.Check, error) {
	var out []encoder.Stored
	open := func(chunk int) (io.ReadCloser, error) { return w.store.Open(ctx, p.tiles[chunk], 0, -1) }
	err := packaging.Sheets(*j.Ladder, open, func(name string, jpeg []byte) error {
		f := packaging.File{Name: name, Body: jpeg, ContentType: "image/jpeg"}.Stored()
		out = append(out, f)
		return w.put(ctx, storage.Join(j.Root(), name), bytes.NewReader(jpeg), encoder.File{Bytes: f.Bytes, SHA256: f.SHA256})
	})
	if err != nil {
		return nil, nil, err
	}
	if !j.Ladder.Makes(encoder.OutputMP4) {
		return out, nil, nil
	}
	var checks []encoder.Check
	for _, d := range downloads(p.film) {
		f, c, err := w.download(ctx, j, d)
		if err != nil {
			return nil, nil, err
		}
		out, checks = append(out, f), append(checks, c)
	}
	return out, checks, nil
}

// download is one file to be made of a picture and a sound; either may be nil.
type download struct{ picture, sound *packaging.Reel }

// downloads are one file for each rung, with the first sound that every
// player can play, or that sound alone.
func downloads(f packaging.Film) []download {
	var sound *packaging.Reel
	for i, a := range f.Audio {
		if sound == nil || sound.Channels > 2 && a.Channels <= 2 {
			sound = &f.Audio[i]
		}
	}
	if len(f.Video) == 0 {
		return []download{{sound: sound}}
	}
	var out []download
	for i := range f.Video {
		out = append(out, download{&f.Video[i], sound})
	}
	return out
}

func (w *Worker) download(ctx context.Context, j queue.Job, d download) (encoder.Stored, encoder.Check, error) {
	fail := func(err error) (encoder.Stored, encoder.Check, error) {
		return encoder.Stored{}, encoder.Check{}, err
	}
	dir, err := os.MkdirTemp(w.scratch, "mp4-")
	if err != nil {
		return fail(fmt.Errorf("make a scratch folder: %w", err))
	}
	defer os.RemoveAll(dir)
	digests := map[string]string{}
	var promised []int64
	name := ""
	for _, r := range []*packaging.Reel{d.picture, d.sound} {
		if r == nil {
			continue
		}
		if name == "" {
			name = packaging.ProgressiveName(r.Rendition)
		}
		promised = append(promised, r.Samples())
		for file, s := range r.Segments() {
			digests[r.Folder+"/"+file] = s.SHA256
		}
	}
	path := filepath.Join(dir, "film.mp4")
	err = w.progressive(path, dir, d, func(file string) (io.ReadCloser, error) {
		body, err := w.store.Open(ctx, storage.Join(j.Root(), file), 0, -1)
		return &proved{ReadCloser: body, name: file, want: digests[file], sum: sha256.New()}, err
	})
	if err != nil {
		return fail(err)
	}
	c, err := w.encoder.Progressive(ctx, path, promised...)
	if err != nil {
		return fail(err)
	}
	if !c.OK {
		return fail(&checkError{c})
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	o, err := w.store.Put(ctx, storage.Join(j.Root(), name), f, storage.PutOptions{ContentType: "video/mp4"})
	return encoder.Stored{Name: name, Bytes: o.Bytes, SHA256: o.SHA256, ContentType: "video/mp4"}, c, err
}

func (w *Worker) progressive(path, dir string, d download, open func(string) (io.ReadCloser, error)) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
	}()
	samples, err := os.Create(filepath.Join(dir, "samples"))
	if err != nil {
		return err
	}
	defer samples.Close()
	return packaging.Progressive(out, samples, d.picture, d.sound, open)
}

// proved is a segment whose end is withheld unless its digest is right.
type proved struct {
	io.ReadCloser
	name, want string // want is empty: nothing is known of it
	sum        hash.Hash
}

func (p *proved) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	p.sum.Write(b[:n])
	if err == io.EOF && p.want != "" && hex.EncodeToString(p.sum.Sum(nil)) != p.want {
		return n, fmt.Errorf("%s is not what was verified: its digest differs", p.name)
	}
	return n, err
}
