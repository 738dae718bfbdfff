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

// A browser opens the page the farm names, and the film plays: there is a
// picture, time passes, nothing fails.
func TestFilmPlaysInABrowser(t *testing.T) {
	program := chromium(t)
	f := start(t)
	j := f.done(t, f.submit(t, film(t, 8, "320x180")).ID)

	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))...)
	defer stop()
	ctx, cancel := chromedp.NewContext(alloc)
	defer cancel()
	ctx, cancelTimeout := context.WithTimeout(ctx, time.Minute)
	defer cancelTimeout()

	if err := chromedp.Do(ctx, chromedp.Navigate(j.Outputs.Play)); err != nil {
		t.Fatal(err)
	}
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
