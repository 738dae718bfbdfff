package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bobine/cmd/internal/api"
	"bobine/encoder/packaging"
)

// A film with sound becomes two rungs and a sound track that another program
// reads to the last frame, and the record names every file that is there.
func TestFilmBecomesALadder(t *testing.T) {
	f := start(t)
	j, err := f.Submit(t.Context(), api.Request{Source: film(t, 11, "320x180"), Params: map[string]string{"outputs": "hls,dash,mp4"}})
	if err != nil {
		t.Fatal(err)
	}
	j = f.done(t, j.ID)

	if j.Progress != 1 || j.ETA != nil || j.Ended == nil || j.Slack <= 0 {
		t.Errorf("an ended job shows progress %v, eta %v, ended %v, slack %v", j.Progress, j.ETA, j.Ended, j.Slack)
	}
	if len(j.Renditions) != 3 || len(j.Checks) == 0 {
		t.Fatalf("%d renditions and %d checks, want 3 and some", len(j.Renditions), len(j.Checks))
	}
	store := filepath.Join(f.data, "store")
	if len(j.Outputs.Downloads) != 2 || j.Outputs.Storyboard == "" {
		t.Fatalf("the outputs are %+v", j.Outputs)
	}
	for _, file := range j.Outputs.Downloads {
		if frames := countFrames(t, filepath.Join(store, file)); !slices.Equal(frames, []int{275}) {
			t.Errorf("%s: the pictures have %d frames, want 275", file, frames)
		}
	}
	compareStoryboard(t, filepath.Join(store, j.Outputs.Root))
	for _, playlist := range []string{j.Outputs.Master, j.Outputs.Manifest} {
		frames := countFrames(t, filepath.Join(store, playlist))
		for i, n := range frames {
			if n != 275 {
				t.Errorf("%s: picture %d has %d frames, want 275", playlist, i, n)
			}
		}
		if len(frames) != 2 {
			t.Errorf("%s: %d pictures, want 2", playlist, len(frames))
		}
	}
	compareRecord(t, filepath.Join(store, j.Outputs.Root))

	for _, name := range []string{j.Outputs.Master, j.Outputs.Manifest, j.Outputs.Poster, j.Outputs.Record} {
		res, err := http.Get(f.Base() + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", name, res.Status)
		}
	}
}

// countFrames lets ffprobe decode every picture of a playlist.
func countFrames(t *testing.T, path string) []int {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-count_frames",
		"-show_entries", "stream=index,nb_read_frames", "-of", "csv=p=0", path).CombinedOutput()
	if err != nil {
		t.Fatalf("probe %s: %v\n%s", path, err, out)
	}
	byIndex := map[int]int{} // each stands there twice, once within its program
	for _, line := range strings.Fields(string(out)) {
		var index, n int
		if _, err := fmt.Sscanf(line, "%d,%d", &index, &n); err != nil {
			t.Fatalf("probe %s: %s", path, out)
		}
		byIndex[index] = n
	}
	return slices.Collect(maps.Values(byIndex))
}

// compareStoryboard follows the WebVTT file to the pictures.
func compareStoryboard(t *testing.T, root string) {
	t.Helper()
	vtt, err := os.ReadFile(filepath.Join(root, packaging.Storyboard))
	if err != nil {
		t.Fatal(err)
	}
	if want := "\n00:00:10.000 --> 00:00:11.000\ns/sheet-0002.jpg#xywh=64,0,64,36\n"; strings.Count(string(vtt), "-->") != 6 || !strings.HasSuffix(string(vtt), want) {
		t.Errorf("the storyboard is\n%s\nwant 6 pictures, the last\n%s", vtt, want)
	}
	for _, sheet := range []string{"s/sheet-0001.jpg", "s/sheet-0002.jpg"} {
		f, err := os.Open(filepath.Join(root, sheet))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if c, err := jpeg.DecodeConfig(f); err != nil || c.Width != 128 || c.Height != 72 {
			t.Errorf("%s is %dx%d: %v", sheet, c.Width, c.Height, err)
		}
	}
}

// compareRecord holds bobine.json against the files on disk.
func compareRecord(t *testing.T, root string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(root, "bobine.json"))
	if err != nil {
		t.Fatal(err)
	}
	var record packaging.Record
	if err := json.Unmarshal(body, &record); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{"bobine.json": true}
	for _, file := range record.Files {
		named[file.Name] = true
		in, err := os.Open(filepath.Join(root, file.Name))
		if err != nil {
			t.Error(err)
			continue
		}
		h := sha256.New()
		n, err := io.Copy(h, in)
		in.Close()
		if got := hex.EncodeToString(h.Sum(nil)); err != nil || n != file.Bytes || got != file.SHA256 {
			t.Errorf("%s: %d bytes %s (%v), the record says %d bytes %s", file.Name, n, got, err, file.Bytes, file.SHA256)
		}
	}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(root, path); err == nil && !d.IsDir() && !named[rel] {
			t.Errorf("%s lies there, but the record does not name it", rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
