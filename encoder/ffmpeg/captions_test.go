package ffmpeg

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/encoder/captions"
)

// captionsOf reads all captions of a source: the cues of each by its name.
func captionsOf(t *testing.T, path string) (map[string][]captions.Cue, encoder.Source, encoder.Result) {
	t.Helper()
	e := find(t)
	p := small()
	p.Captions = true
	src, l := plan(t, e, path, p, 2*time.Second)
	dir := t.TempDir()
	res, err := e.Captions(t.Context(), CaptionsJob{Input: path, Source: src, Ladder: l, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]captions.Cue{}
	for _, tr := range res.Tracks {
		b, err := os.ReadFile(filepath.Join(dir, tr.Rendition+".vtt"))
		if err != nil {
			t.Fatal(err)
		}
		cues, err := captions.Parse(b[tr.Bytes():])
		if err != nil || int64(len(b)) != tr.Bytes()+tr.Sidecar.Bytes || int64(len(cues)) != tr.Samples() {
			t.Fatalf("%s has %d bytes and %d cues: %v", tr.Rendition, len(b), len(cues), err)
		}
		out[tr.Rendition] = cues
	}
	return out, src, res
}

// told is what ffmpeg alone makes of a track: "start end text" of each cue,
// in seconds of the film that begins at zero.
func told(t *testing.T, zero float64, args ...string) []captions.Cue {
	t.Helper()
	var out []captions.Cue
	text := tool(t, "ffmpeg", append(args, "-c:s", "webvtt", "-f", "webvtt", "-")...)
	for block := range strings.SplitSeq(strings.TrimPrefix(text, "WEBVTT\n\n"), "\n\n") {
		times, words, _ := strings.Cut(strings.TrimSpace(block), "\n")
		from, to, ok := strings.Cut(times, " --> ")
		if !ok {
			continue
		}
		at := func(s string) time.Duration {
			var m int
			var sec float64
			if _, err := fmt.Sscanf(s, "%d:%f", &m, &sec); err != nil {
				t.Fatalf("time %q: %v", s, err)
			}
			return encoder.Seconds(float64(60*m) + sec - zero)
		}
		out = append(out, captions.Cue{Start: at(from), End: at(to), Text: words})
	}
	return out
}

// Of each clip with words, every cue is there with ffmpeg's own text, and its
// times are right to the picture.
func TestCaptionsOfClips(t *testing.T) {
	for _, c := range []struct {
		clip   string
		tracks map[string][]string // how ffmpeg is asked for each
	}{
		{"sub_srt.mkv", map[string][]string{"eng": {"-map", "0:s:0"}}},
		{"sub_ssa.mkv", map[string][]string{"und": {"-map", "0:s:0"}}},
		{"nasa_two_video_two_audio_movtext_16s.mp4", map[string][]string{"eng": {"-map", "0:s:0"}, "eng-2": {"-map", "0:s:1"}}},
		{"derived_bbb_1080p24_3audio_srt_5s.mkv", map[string][]string{"fra": {"-map", "0:s:0"}}},
		{"testpic_cea608_cc1_cc3_h264_8s.mp4", map[string][]string{"cc1": {"-data_field", "first"}, "cc3": {"-data_field", "second"}}},
		{"bbb_cea608_360p_ts_2.5s.ts", map[string][]string{"cc1": {"-data_field", "first"}}},
	} {
		t.Run(c.clip, func(t *testing.T) {
			t.Parallel()
			path := clip(t, c.clip)
			got, src, res := captionsOf(t, path)
			if len(got) != len(c.tracks) || len(res.Warnings) > 0 {
				t.Errorf("tracks %v, want %v; warnings %q", got, c.tracks, res.Warnings)
			}
			for name, how := range c.tracks {
				args := append([]string{"-copyts", "-i", path}, how...)
				zero := src.Start
				if strings.HasPrefix(name, "cc") {
					args = append(how, "-copyts", "-f", "lavfi", "-i", "movie="+path+"[out+subcc]", "-map", "0:s")
				}
				want := told(t, zero, args...)
				frame := encoder.Seconds(1 / src.Video.Rate.Float())
				if n := len(want); n > 0 && strings.HasPrefix(name, "cc") {
					want[n-1].End = encoder.Seconds(src.Duration) // never erased: ffmpeg ends it with its data
				}
				same := slices.EqualFunc(got[name], want, func(a, b captions.Cue) bool {
					end := min(b.End, encoder.Seconds(src.Duration))
					return plainText(a.Text) == plainText(b.Text) && (a.Start-max(0, b.Start)).Abs() <= frame && (a.End-end).Abs() <= frame
				})
				if !same || len(want) == 0 {
					t.Errorf("%s:\n%v, want\n%v", name, got[name], want)
				}
			}
		})
	}
}

// Words that come late, in pictures stored in another order than they are
// shown in, are found and right to the picture.
func TestLateCaptions(t *testing.T) {
	for name, args := range map[string]string{
		"a.mp4": "-c:v libx264 -preset ultrafast -bf 2",
		"a.ts":  "-c:v mpeg2video -bf 2 -q:v 8",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := film(t, name, "-i "+clip(t, "bbb_cea608_360p_ts_2.5s.ts")+" -an -vf scale=160:90,tpad=start=150 "+args)
			got, src, _ := captionsOf(t, path)
			want := told(t, src.Start, "-data_field", "first", "-copyts", "-f", "lavfi", "-i", "movie="+path+"[out+subcc]", "-map", "0:s")
			want = slices.CompactFunc(want, func(a, b captions.Cue) bool { return plainText(a.Text) == plainText(b.Text) })
			if len(want) == 0 || want[0].Start < 5*time.Second || len(got) != 1 {
				t.Fatalf("%v, ffmpeg tells %v", got, want)
			}
			for i, c := range got["cc1"] {
				if i >= len(want) || plainText(c.Text) != plainText(want[i].Text) || (c.Start-want[i].Start).Abs() > 40*time.Millisecond {
					t.Errorf("cue %d is %v, want %v", i, c, want)
				}
			}
		})
	}
}

// plainText is a text without tags and double spaces.
func plainText(s string) string {
	s = strings.NewReplacer("<i>", "", "</i>", "", "<b>", "", "</b>", "", "\u00a0", " ", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
	return strings.Join(strings.Fields(s), " ")
}

// Bitmap subtitles stay behind, and the warning says so.
func TestBitmapSubtitles(t *testing.T) {
	src, l := plan(t, find(t), clip(t, "sub_pgs.mkv"), encoder.Profile{
		Captions: true, Segment: time.Second, GOP: time.Second, Audio: small().Audio, Video: small().Video,
	}, time.Second)
	if len(l.Captions) != 0 || len(src.Captions) != 1 || src.Captions[0].Kind != encoder.CaptionBitmap {
		t.Errorf("captions %+v of %+v", l.Captions, src.Captions)
	}
	if w := strings.Join(src.Warnings, "\n"); !strings.Contains(w, "the bitmap subtitles (hdmv_pgs, eng) are not carried over") {
		t.Errorf("the warnings are %q", w)
	}
}

// subtitled makes a film of three seconds with the words of an .srt file.
func subtitled(t *testing.T, srt, before, after string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "words.srt")
	if err := os.WriteFile(path, []byte(srt), 0o600); err != nil {
		t.Fatal(err)
	}
	return film(t, "it's [a] film:;,1%.mkv", before+" -f lavfi -i testsrc2=s=128x72:r=25:d=3 -i "+path+
		" -map 0:v -map 1 -c:v libx264 -preset ultrafast -c:s srt "+after)
}

// Words keep to the pictures wherever the source's clock begins, and those
// before and behind the film are cut.
func TestCaptionsKeepToThePictures(t *testing.T) {
	const srt = "1\n00:00:00,500 --> 00:00:01,500\nearly\n\n2\n00:00:02,000 --> 00:00:04,500\nlate\n\n3\n00:00:08,000 --> 00:00:09,000\ngone\n"
	for _, c := range []struct {
		name, before, after string
		early, late         [2]float64
	}{
		{"at zero", "", "", [2]float64{0.5, 1.5}, [2]float64{2, 3}},
		{"all of it later", "", "-output_ts_offset 7", [2]float64{0.5, 1.5}, [2]float64{2, 3}},
		{"pictures later", "-itsoffset 1", "", [2]float64{0, 0.5}, [2]float64{1, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, _, res := captionsOf(t, subtitled(t, srt, c.before, c.after))
			s := func(at [2]float64, text string) captions.Cue {
				return captions.Cue{Start: encoder.Seconds(at[0]), End: encoder.Seconds(at[1]), Text: text}
			}
			if want := []captions.Cue{s(c.early, "early"), s(c.late, "late")}; !slices.Equal(got["und"], want) || len(res.Warnings) > 0 {
				t.Errorf("%v, want %v; warnings %q", got, want, res.Warnings)
			}
		})
	}
}

// What is said in a subtitle is only ever shown, and a flood of it is bounded
// and told.
func TestHostileCaptions(t *testing.T) {
	var srt strings.Builder
	for i, s := range []string{"a --> b", "<script>alert(1)</script>", "broken \xc3 utf-8", strings.Repeat("huge ", 20_000), "WEBVTT", "&lt;b>"} {
		fmt.Fprintf(&srt, "%d\n00:00:0%d,%d00 --> 00:00:0%d,%d50\n%s\n\n", i+1, i/5, i%5, i/5, i%5, s)
	}
	for range 100_000 {
		fmt.Fprintf(&srt, "9\n00:00:02,000 --> 00:00:03,000\n%d\n\n", srt.Len())
	}
	got, _, res := captionsOf(t, subtitled(t, srt.String(), "", "-c:s copy"))
	var all strings.Builder
	for _, c := range got["und"] {
		all.WriteString(c.Text + "\n")
	}
	for _, want := range []string{"a --&gt; b\n", "&lt;script&gt;alert(1)&lt;/script&gt;\n", "broken \ufffd utf-8\n", "huge huge", "WEBVTT\n", "&amp;lt;b&gt;\n"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("%q is not in it: %.300q", want, all.String())
		}
	}
	if n := len(got["und"]); n > 50 || all.Len() > 10_000 || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "lack 99") {
		t.Errorf("%d cues of %d bytes, warnings %q", n, all.Len(), res.Warnings)
	}
}

// A track without a cue, and one that cannot be read, are told and left out.
func TestCaptionsThatAreNone(t *testing.T) {
	e := find(t)
	path := subtitled(t, "1\n00:01:00,000 --> 00:01:01,000\nbehind the film\n", "", "")
	got, src, res := captionsOf(t, path)
	if len(got) != 0 || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "not one cue") {
		t.Errorf("%v, warnings %q", got, res.Warnings)
	}
	p := small()
	p.Captions = true
	l, err := encoder.Fit(p, src, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "no media")
	if err := os.WriteFile(bad, []byte("WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	res, err = e.Captions(t.Context(), CaptionsJob{Input: bad, Source: src, Ladder: l, Dir: t.TempDir()})
	if err != nil || len(res.Tracks) != 0 || len(res.Warnings) != 2 || !strings.Contains(res.Warnings[0], "up to 0s only") {
		t.Errorf("%v, warnings %q", err, res.Warnings)
	}
}
