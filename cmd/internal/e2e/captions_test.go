package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"bobine/queue"
)

// A film with subtitles is published with them: in the master, in the record,
// beside the renditions, and on the page, where a browser can show them.
func TestFilmWithCaptions(t *testing.T) {
	dir := t.TempDir()
	words := filepath.Join(dir, "words.srt")
	if err := os.WriteFile(words, []byte("1\n00:00:00,500 --> 00:00:02,500\nover <i>two</i>\nsegments & lines\n\n2\n00:00:03,000 --> 00:00:04,000\nfin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	source := makeFile(t, filepath.Join(dir, "film.mkv"), "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=5",
		"-f", "lavfi", "-i", "sine=duration=5", "-i", words, "-map", "0", "-map", "1", "-map", "2",
		"-c:v", "libx264", "-preset", "ultrafast", "-c:s", "srt", "-metadata:s:s:0", "language=fre", "-metadata:s:a:0", "language=fre")
	f := start(t)
	j := f.done(t, f.submit(t, source).ID)
	last := j.Renditions[len(j.Renditions)-1]
	if last.Codec != "webvtt" || last.Name != "fre" || last.Frames != 2 || last.Title != "Français" {
		t.Fatalf("the last rendition is %+v", last)
	}
	root := filepath.Join(f.data, "store", j.Outputs.Root)
	compareRecord(t, root)
	master, err := os.ReadFile(filepath.Join(root, "master.m3u8"))
	if err != nil || !strings.Contains(string(master), `TYPE=SUBTITLES,GROUP-ID="captions",NAME="Français",LANGUAGE="fr"`) {
		t.Errorf("%v: the master is\n%s", err, master)
	}
	res, err := http.Get(f.Base() + "/" + j.Outputs.Root + "/" + last.File)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	const want = "WEBVTT\n\n00:00:00.500 --> 00:00:02.500\nover <i>two</i>\nsegments &amp; lines\n\n00:00:03.000 --> 00:00:04.000\nfin\n"
	if string(body) != want || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/vtt") {
		t.Errorf("%s: %s\n%s", res.Status, res.Header.Get("Content-Type"), body)
	}
	segment, err := os.ReadFile(filepath.Join(root, "c/fre", strings.Replace(filepath.Base(last.File), ".vtt", "-00001.vtt", 1)))
	if n := strings.Count(string(segment), "-->"); err != nil || n != 2 || !strings.HasPrefix(string(segment), "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n00:00:00.500") {
		t.Errorf("%v: the second segment is\n%s", err, segment)
	}
	j, err = f.Job(t.Context(), j.ID, true)
	if err != nil {
		t.Fatal(err)
	}
	tasks := 0
	for _, task := range j.Tasks {
		if task.Kind == queue.KindCaptions {
			tasks++
		}
	}
	if tasks != 1 {
		t.Errorf("%d captions tasks", tasks)
	}
	captionsInABrowser(t, j.Outputs.Play)
}

// captionsInABrowser waits for the words of the page's text track.
func captionsInABrowser(t *testing.T, page string) {
	program := chromium(t)
	ctx := browse(t, program, page)
	cues, err := chromedp.Run(ctx, chromedp.Evaluate[string](`new Promise((tell) => {
		const t = document.querySelector("track");
		const now = () => tell([...t.track.cues].map((c) => c.startTime + " " + c.text).join("|"));
		t.addEventListener("load", now);
		t.addEventListener("error", () => tell("it cannot be loaded"));
		t.track.mode = "hidden";
		if (t.readyState === 2) now();
	})`, chromedp.EvalAwaitPromise))
	if err != nil || cues != "0.5 over <i>two</i>\nsegments &amp; lines|3 fin" {
		t.Errorf("the browser has the cues %q, %v", cues, err)
	}
}
