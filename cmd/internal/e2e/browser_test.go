package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chromium is the browser's program, or a skip.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no chromium is installed: `apt-get install chromium`")
	return ""
}

// browse opens a page in a browser of its own.
func browse(t *testing.T, program, page string) context.Context {
	t.Helper()
	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancelTimeout := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancelTimeout)
	if err := chromedp.Do(ctx, chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// A browser opens the page the farm names, and the film plays: there is a
// picture, time passes, nothing fails.
func TestFilmPlaysInABrowser(t *testing.T) {
	program := chromium(t)
	f := start(t)
	j := f.done(t, f.submit(t, film(t, 8, "320x180")).ID)

	ctx := browse(t, program, j.Outputs.Play)
	type playback struct {
		Width, Height int
		From, To      float64
		Error         string
	}
	// The promise ends when a second of film has passed, or the element fails.
	seen, err := chromedp.Run(ctx, chromedp.Evaluate[playback](`new Promise(async (tell) => {
		const v = document.querySelector("video");
		v.muted = true;
		const from = v.currentTime;
		const now = () => tell({Width: v.videoWidth, Height: v.videoHeight, From: from, To: v.currentTime, Error: v.error ? v.error.message || String(v.error.code) : ""});
		v.addEventListener("error", now);
		v.addEventListener("timeupdate", () => { if (v.currentTime > from + 1) now(); });
		try { await v.play(); } catch (e) { tell({Width: 0, Height: 0, From: 0, To: 0, Error: String(e)}); }
	})`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if seen.Error != "" || seen.Width == 0 || seen.Height == 0 || seen.To <= seen.From+1 {
		t.Errorf("the film does not play: %+v", seen)
	}
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("BOBINE_TEST_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "play.png"), shot, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A player that seeks to the middle shows the picture that belongs there: in
// this film each second has a shade of grey of its own.
func TestSeekShowsTheRightPicture(t *testing.T) {
	program := chromium(t)
	path := makeFile(t, filepath.Join(t.TempDir(), "greys.mp4"),
		"-f", "lavfi", "-i", "color=c=black:size=320x180:rate=25:duration=12,format=gray,geq=lum='30+15*floor(T)',format=yuv420p",
		"-f", "lavfi", "-i", "sine=duration=12", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")
	f := start(t)
	j := f.done(t, f.submit(t, path).ID)
	ctx := browse(t, program, j.Outputs.Play)
	grey, err := chromedp.Run(ctx, chromedp.Evaluate[float64](`new Promise((tell, fail) => {
		const v = document.querySelector("video");
		v.muted = true;
		v.addEventListener("error", () => fail(new Error(v.error.message)));
		const look = () => {
			const c = document.createElement("canvas");
			c.width = v.videoWidth;
			c.height = v.videoHeight;
			const g = c.getContext("2d");
			g.drawImage(v, 0, 0);
			tell(g.getImageData(c.width / 2, c.height / 2, 1, 1).data[0]);
		};
		v.addEventListener("seeked", () => v.requestVideoFrameCallback ? v.requestVideoFrameCallback(look) : look());
		const seek = () => { v.currentTime = 7.5; };
		v.readyState > 0 ? seek() : v.addEventListener("loadedmetadata", seek);
		v.play().catch(fail);
	})`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	// Grey 30+15×7 of limited range, on a screen of full range.
	want := (30 + 15*7 - 16) * 255.0 / 219
	if grey < want-8 || grey > want+8 {
		t.Errorf("at 7.5 s the page shows grey %v, want about %.0f (a second is %.0f)", grey, want, 15*255.0/219)
	}
}
