package ffmpeg

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
)

var update = flag.Bool("update", false, "write the golden files")

func find(t *testing.T) *Encoder {
	t.Helper()
	e, err := Find()
	if err != nil {
		t.Skip(err)
	}
	return e
}

// clip is the path of a real clip, whose test is skipped where it is absent.
func clip(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("../../../shared/media", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the clip %s is not here: %v", name, err)
	}
	return path
}

// tool runs ffmpeg or ffprobe and returns what it writes to stdout.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, append([]string{"-v", "error"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// film makes a source: args stand before the file's name.
func film(t *testing.T, name, args string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	tool(t, "ffmpeg", append(append([]string{"-nostdin", "-y"}, strings.Fields(args)...), "file:"+path)...)
	return path
}

// small is a profile that costs next to nothing.
func small() encoder.Profile {
	return encoder.Profile{
		Name: "small", Segment: time.Second, GOP: 500 * time.Millisecond,
		Video: []encoder.VideoProfile{{Codec: "h264", Preset: "ultrafast", MaxFPS: 60, BFrames: 2, Rungs: []encoder.Rung{
			{Name: "72p", Width: 128, Height: 72, CRF: 30, Bitrate: 300_000},
			{Name: "36p", Width: 64, Height: 36, CRF: 30, Bitrate: 100_000, MaxFPS: 30},
		}}},
		Audio: encoder.AudioProfile{Codec: "aac", Channels: 2, Bitrate: 64_000, SampleRate: 48_000},
	}
}

// plan probes a source and makes its ladder.
func plan(t *testing.T, e *Encoder, path string, p encoder.Profile, chunk time.Duration) (encoder.Source, encoder.Ladder) {
	t.Helper()
	src, err := e.Probe(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := encoder.Fit(p, src, chunk)
	if err != nil {
		t.Fatal(err)
	}
	return src, l
}

// encode runs every task of a film, see tryEncode.
func encode(t *testing.T, e *Encoder, path string, src encoder.Source, l encoder.Ladder) map[string]string {
	t.Helper()
	files, err := tryEncode(t, e, path, src, l, func(encoder.Result) {})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// tryEncode runs every task of a film and returns, by rendition, one file with
// the first init segment and all media segments in a row.
func tryEncode(t *testing.T, e *Encoder, path string, src encoder.Source, l encoder.Ladder, each func(encoder.Result)) (map[string]string, error) {
	t.Helper()
	out := t.TempDir()
	files := map[string]string{}
	join := func(dir string, tracks []encoder.Track) {
		for _, tr := range tracks {
			b, err := os.ReadFile(filepath.Join(dir, tr.Rendition+".mp4"))
			if err != nil {
				t.Fatal(err)
			}
			if want := tr.Init.Bytes + tr.Bytes(); int64(len(b)) != want {
				t.Fatalf("%s has %d bytes, its track tells of %d", tr.Rendition, len(b), want)
			}
			if files[tr.Rendition] == "" {
				files[tr.Rendition] = filepath.Join(out, tr.Rendition+".mp4")
			} else {
				b = b[tr.Init.Bytes:]
			}
			f, err := os.OpenFile(files[tr.Rendition], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(b); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	for _, c := range l.Chunks {
		dir := t.TempDir()
		r, err := e.Video(t.Context(), VideoJob{Input: path, Source: src, Ladder: l, Chunk: c, Dir: dir})
		if err != nil {
			return nil, err
		}
		each(r)
		join(dir, r.Tracks)
	}
	if len(l.Audio) > 0 {
		dir := t.TempDir()
		r, err := e.Audio(t.Context(), AudioJob{Input: path, Source: src, Ladder: l, Dir: dir})
		if err != nil {
			return nil, err
		}
		each(r)
		join(dir, r.Tracks)
	}
	return files, nil
}
