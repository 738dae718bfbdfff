package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bobine/cmd/internal/api"
	"bobine/queue"
)

// make runs ffmpeg on its own test pictures and sounds.
func makeFile(t *testing.T, path string, args ...string) string {
	t.Helper()
	need(t, "ffmpeg")
	all := append([]string{"-v", "error", "-nostdin", "-y"}, args...)
	if out, err := exec.Command("ffmpeg", append(all, "file:"+path)...).CombinedOutput(); err != nil {
		t.Fatalf("make %q: %v\n%s", path, err, out)
	}
	return path
}

// What partners really send: each either becomes a film or is rejected in
// plain words, and the source is never touched.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	picture := []string{"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=3"}
	sound := []string{"-f", "lavfi", "-i", "sine=duration=3"}
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast"}
	write := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := makeFile(t, filepath.Join(dir, "whole.mp4"), append(append(picture, sound...), x264...)...)
	body, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := os.ReadFile(makeFile(t, filepath.Join(dir, "fast.mp4"), append(append(picture, x264...), "-movflags", "+faststart")...))
	if err != nil {
		t.Fatal(err)
	}
	cutAfterMoov := write("cut-after.mp4", string(fast[:len(fast)*6/10]))
	f := start(t)
	for _, c := range []struct {
		name, path string
		want       queue.State
		word       string // in the reason
		renditions []string
	}{
		{"text named .mp4", write("text.mp4", strings.Repeat("not a film\n", 100)), queue.Rejected, "not media", nil},
		{"cut before its moov", write("cut.mp4", string(body[:len(body)/2])), queue.Rejected, "no moov", nil},
		{"cut after its moov", cutAfterMoov, queue.Rejected, "the file ends at 0:00:0", nil},
		{"two mono tracks", makeFile(t, filepath.Join(dir, "mono.mov"), append(append(sound, sound...), "-map", "0", "-map", "1", "-ac", "1", "-c:a", "pcm_s16le")...), queue.Done, "", []string{"und"}},
		{"sound only", makeFile(t, filepath.Join(dir, "sound.m4a"), sound...), queue.Done, "", []string{"und"}},
		{"no sound", makeFile(t, filepath.Join(dir, "mute.mp4"), append(picture, x264...)...), queue.Done, "", []string{"180p", "90p"}},
		{"smaller than the smallest rung", makeFile(t, filepath.Join(dir, "stamp.mp4"), "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2", "-c:v", "libx264"), queue.Done, "", []string{"90p"}},
		{"a name for a shell to choke on", rename(t, whole, dir, `-i 100%? "it's" \n`+"\n.mp4"), queue.Done, "", []string{"180p", "90p", "und"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, err := os.ReadFile(c.path)
			if err != nil {
				t.Fatal(err)
			}
			j := f.end(t, f.submit(t, c.path).ID)
			if j.State != c.want {
				t.Fatalf("ended %s (%+v), want %s", j.State, j.Error, c.want)
			}
			if c.word != "" && (j.Error == nil || !strings.Contains(j.Error.Message, c.word)) {
				t.Errorf("the reason is %+v, want the word %q", j.Error, c.word)
			}
			var names []string
			for _, r := range j.Renditions {
				names = append(names, r.Name)
			}
			if strings.Join(names, " ") != strings.Join(c.renditions, " ") {
				t.Errorf("renditions %v, want %v", names, c.renditions)
			}
			if after, err := os.ReadFile(c.path); err != nil || string(after) != string(before) {
				t.Errorf("the source was touched: %v", err)
			}
		})
	}
}

func rename(t *testing.T, from, dir, name string) string {
	t.Helper()
	body, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, name)
	if err := os.WriteFile(to, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// A source that cannot be one is refused at the door, without a job.
func TestRefusedAtTheDoor(t *testing.T) {
	f := start(t)
	empty := filepath.Join(t.TempDir(), "empty.mp4")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, source, word string
	}{
		{"missing", filepath.Join(t.TempDir(), "nothing.mp4"), "no such file"},
		{"empty", empty, "it is empty"},
		{"a folder", t.TempDir(), "not a file"},
		{"a device", "/dev/zero", "not a file"},
		{"another scheme", "gopher://host/film", "source"},
		{"a password in the URL", "https://user:hunter2@example.com/film.mp4", "password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := f.Submit(t.Context(), api.Request{Source: c.source})
			var p *api.Problem
			if !errors.As(err, &p) || !strings.Contains(err.Error(), c.word) {
				t.Fatalf("%v, want a problem with the word %q", err, c.word)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the password is repeated")
			}
		})
	}
	jobs, err := f.Jobs(t.Context(), api.Filter{})
	if err != nil || len(jobs.Jobs) != 0 {
		t.Errorf("jobs were made: %+v, %v", jobs.Jobs, err)
	}
}
