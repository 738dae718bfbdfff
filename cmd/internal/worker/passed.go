package worker

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"bobine/encoder/ffmpeg"
	"bobine/encoder/packaging"
	"bobine/queue"
	"bobine/storage"
)

// Sound lies between the pictures of a film. Whoever encodes pictures fetches
// it with them and leaves it as scratch of the job, where the task that encodes
// the sound takes it up, so that nothing of a far film is fetched twice. What
// is not there, for whatever reason, is fetched from the source after all.

// siblings tells of the other tasks of a job, and what they came to.
type siblings interface {
	Task(ctx context.Context, id string) (queue.Task, error)
	Tasks(ctx context.Context, job string) ([]queue.Task, error)
	Outcomes(ctx context.Context, job string) (map[string]queue.Outcome, error)
}

const (
	// mostGap bounds what is passed on between two pictures: what is longer is
	// not fetched with them.
	mostGap = 256 << 10

	// mostHead bounds what a probe passes on, which every worker takes up: the
	// index and the pictures it looked at.
	mostHead = 32 << 20
)

// passedRef is where an attempt leaves what it passed.
func passedRef(t queue.Task) storage.Ref {
	return storage.Join(storage.Scratch, t.Job, fmt.Sprintf("%s-%d-a%d.passed", t.Kind, t.Chunk, t.Attempt))
}

func line21Ref(t queue.Task) storage.Ref {
	return storage.Join(storage.Scratch, t.Job, fmt.Sprintf("%s-%d-a%d.line21", t.Kind, t.Chunk, t.Attempt))
}

// mostPassed leaves the longest spans out until the rest is little enough.
func mostPassed(all storage.Spans) storage.Spans {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b storage.Span) int { return cmp.Compare(a.To-a.From, b.To-b.From) })
	left, n := int64(mostHead), 0
	for _, s := range all {
		if left -= s.To - s.From; left < 0 {
			break
		}
		n++
	}
	return storage.Merge(all[:n]...)
}

// passOn leaves for the sound what came with the pictures of a chunk.
func (w *Worker) passOn(ctx context.Context, j queue.Job, t queue.Task, in input) {
	if len(j.Ladder.Audio)+len(j.Ladder.Captions) == 0 {
		return
	}
	index, err := packaging.ReadIndex(in.reader.At(ctx), in.source.Size())
	if err != nil {
		return // then the sound is read without it as well
	}
	var between storage.Spans
	if n := len(index.Pictures); n > 0 {
		between = index.Pictures.Outside(storage.Span{From: index.Pictures[0].From, To: index.Pictures[n-1].To})
	}
	between = slices.DeleteFunc(between, func(s storage.Span) bool { return s.To-s.From > mostGap })
	var passed []storage.Span
	for _, s := range in.reader.Passed() {
		passed = append(passed, between.In(s)...)
	}
	w.leave(ctx, passedRef(t), in, storage.Merge(passed...))
}

// leave stores bytes of a source that are here. That it could not costs the
// next task a little time, and this one nothing.
func (w *Worker) leave(ctx context.Context, to storage.Ref, in input, spans storage.Spans) {
	if len(spans) == 0 {
		return
	}
	head := binary.AppendUvarint(nil, uint64(len(spans)))
	at := int64(0)
	for _, s := range spans {
		head = binary.AppendUvarint(binary.AppendUvarint(head, uint64(s.From-at)), uint64(s.To-s.From))
		at = s.To
	}
	parts := []io.Reader{bytes.NewReader(head)}
	for _, s := range spans {
		parts = append(parts, in.source.Section(s))
	}
	sum := sha256.New()
	body := io.MultiReader(io.TeeReader(io.MultiReader(parts...), sum), &last{func() []byte { return sum.Sum(nil) }, nil})
	if _, err := w.store.Put(ctx, to, body, storage.PutOptions{}); err != nil && ctx.Err() == nil {
		w.log.Warn("what was read of a source in passing is not kept: it is fetched again", "object", to, "error", err)
	}
}

// last is what a body ends with, told when all before it was read.
type last struct {
	tell func() []byte
	left *bytes.Reader
}

func (l *last) Read(b []byte) (int, error) {
	if l.left == nil {
		l.left = bytes.NewReader(l.tell())
	}
	return l.left.Read(b)
}

// takeUp brings here what other tasks passed of a source, and gives the
// encoder that reads it. Who reads no pictures is not kept waiting for any.
func (w *Worker) takeUp(ctx context.Context, j queue.Job, t queue.Task, in input) (*ffmpeg.Encoder, error) {
	var tasks []queue.Task
	err := w.insist(ctx, func() (err error) {
		if t.Kind != queue.KindVideo {
			tasks, err = w.siblings.Tasks(ctx, j.ID)
			return err
		}
		probe, err := w.siblings.Task(ctx, queue.TaskID(j.ID, queue.KindProbe, 0))
		tasks = []queue.Task{probe}
		return err
	})
	if err != nil {
		return nil, err
	}
	given := w.load(ctx, tasks, in)
	if t.Kind == queue.KindVideo {
		return in.encoder, ctx.Err()
	}
	index, err := packaging.ReadIndex(in.reader.At(ctx), in.source.Size())
	if err != nil {
		return in.encoder, ctx.Err() // all of it is read
	}
	return w.encoder.Filling(ffmpeg.Holed(in.reader, storage.Merge(append(given, index.Pictures...)...))), nil
}

// load brings what finished tasks passed, and tells all that was.
func (w *Worker) load(ctx context.Context, tasks []queue.Task, in input) []storage.Span {
	in.source.came.Lock()
	defer in.source.came.Unlock()
	all := make([][]storage.Span, len(tasks))
	var g errgroup.Group
	g.SetLimit(4)
	for n, t := range tasks {
		ref := passedRef(t)
		if t.State != queue.Finished || t.Kind != queue.KindProbe && t.Kind != queue.KindVideo || in.source.loaded[ref] {
			continue
		}
		in.source.loaded[ref] = true
		g.Go(func() (err error) {
			all[n], err = w.loadOne(ctx, ref, in)
			if err != nil && !errors.Is(err, storage.ErrNotExist) && ctx.Err() == nil {
				w.log.Warn("what was read of a source in passing is fetched again", "object", ref, "error", err)
			}
			return nil
		})
	}
	_ = g.Wait()
	in.source.given = append(in.source.given, slices.Concat(all...)...)
	return slices.Clone(in.source.given)
}

// loadOne puts in their place the bytes of one object that leave made.
func (w *Worker) loadOne(ctx context.Context, ref storage.Ref, in input) ([]storage.Span, error) {
	body, err := w.store.Open(ctx, ref, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	f, err := os.CreateTemp(w.scratch, "passed-")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer os.Remove(f.Name())
	size, err := io.Copy(f, body)
	if err != nil {
		return nil, err
	}
	size -= sha256.Size
	sum, want := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, size)); err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(want, max(0, size)); err != nil || !bytes.Equal(want, sum.Sum(nil)) {
		return nil, fmt.Errorf("read %s: %w", ref, storage.ErrDigest)
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 1<<18)
	spans, err := readSpans(r)
	for _, s := range spans {
		if err = in.source.Give(s, r); err != nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	return spans, nil
}

func readSpans(r io.ByteReader) ([]storage.Span, error) {
	count, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	var out []storage.Span
	at := int64(0)
	for range count {
		skip, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		n, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		s := storage.Span{From: at + int64(skip), To: at + int64(skip) + int64(n)}
		at = s.To
		out = append(out, s)
	}
	return out, nil
}
