package configs_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bobine/configs"
)

// The web profile is the ladder of Apple's authoring specification, with a
// second bit rate for whatever picture is the largest.
func TestWeb(t *testing.T) {
	p, err := configs.Profile("web")
	if err != nil {
		t.Fatal(err)
	}
	if p.Segment != 6*time.Second || p.GOP != 2*time.Second || p.Audio.Bitrate != 128_000 {
		t.Errorf("segment %v, GOP %v, sound %d bit/s", p.Segment, p.GOP, p.Audio.Bitrate)
	}
	type rung struct {
		name          string
		width, height int
		bitrate       int64
		fps           float64
	}
	var got []rung
	for _, r := range p.Video[0].Rungs {
		got = append(got, rung{r.Name, r.Width, r.Height, r.Bitrate, r.MaxFPS})
	}
	want := []rung{
		{"1080p", 1920, 1080, 6_000_000, 0},
		{"1080p-lean", 1920, 1080, 4_200_000, 0},
		{"720p", 1280, 720, 3_000_000, 0},
		{"720p-lean", 1280, 720, 2_300_000, 0},
		{"540p", 960, 540, 2_000_000, 0},
		{"432p", 768, 432, 730_000, 30},
		{"360p", 640, 360, 365_000, 30},
		{"234p", 416, 234, 145_000, 30},
		{"234p-lean", 416, 234, 100_000, 30},
	}
	if !slices.Equal(got, want) {
		t.Errorf("rungs:\n%v, want\n%v", got, want)
	}
}

// What is shipped loads, and says by its name which codecs and outputs it has.
func TestShipped(t *testing.T) {
	got := map[string]string{}
	for _, name := range (configs.Config{}).ProfileNames() {
		p, err := configs.Profile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, v := range p.Video {
			got[name] += fmt.Sprintf("%s:%d ", v.Codec, len(v.Rungs))
		}
		got[name] += fmt.Sprint(p.Outputs)
	}
	want := map[string]string{
		"mp4": "h264:3 [mp4]", "preview": "h264:1 [hls mp4]", "web": "h264:9 [hls dash]",
		"web-av1": "h264:4 av1:5 [hls dash]", "web-hevc": "h264:4 hevc:5 [hls dash]",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Each rule is one file, which begins with what it wants to be told.
func TestProfileRules(t *testing.T) {
	own := configs.Config{ProfilesDir: "testdata/profiles"}
	for _, file := range files(t, "testdata/profiles/*.yaml") {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			wants := wanted(t, file)
			p, err := own.LoadProfile(name)
			if name == "good" {
				if err != nil || p.Name != name {
					t.Errorf("%+v, %v", p, err)
				}
				return
			}
			if err == nil || len(wants) == 0 {
				t.Fatalf("err is %v, want %q", err, wants)
			}
			for _, want := range append(wants, file) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("it says\n%v\nwant\n%s", err, want)
				}
			}
		})
	}
}

// Own profiles stand beside the shipped ones, and who asks for an unknown one
// is told all.
func TestOwnProfiles(t *testing.T) {
	own := configs.Config{ProfilesDir: "testdata/profiles"}
	if names := own.ProfileNames(); !slices.Contains(names, "good") || !slices.Contains(names, "web") || !slices.IsSorted(names) {
		t.Errorf("names: %q", names)
	}
	if _, err := own.LoadProfile("web"); err != nil {
		t.Errorf("the shipped profile beside own ones: %v", err)
	}
	for _, name := range []string{"wbe", "", "../profiles/web", "WEB"} {
		_, err := own.LoadProfile(name)
		if err == nil || !strings.Contains(err.Error(), "no such profile; known are bitrate-a-word, ") || !strings.Contains(err.Error(), ", web") {
			t.Errorf("profile %q: %v", name, err)
		}
	}
	if _, err := configs.Profile("good"); err == nil {
		t.Error("an own profile was found without profiles_dir")
	}
}
