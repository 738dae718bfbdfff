package ffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bobine/encoder"
	"bobine/encoder/ffmpeg/sandbox"
)

// attacked probes a file and, should it pass, encodes it. It must end soon,
// and either with a film or with a reason.
func attacked(t *testing.T, e *Encoder, path string) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("it took too long"))
	defer cancel()
	src, err := e.Probe(ctx, path)
	if err != nil {
		return err
	}
	l, err := encoder.Fit(small(), src, 0)
	if err != nil {
		return err
	}
	for _, c := range l.Chunks {
		if _, err := e.Video(ctx, VideoJob{Input: path, Source: src, Ladder: l, Chunk: c, Dir: t.TempDir()}); err != nil {
			return err
		}
	}
	return nil
}

// Playlists under any name and in any disguise reach neither the network nor
// another file: not by the allow-lists, and not without them either.
func TestPlaylistsReachNothing(t *testing.T) {
	e := find(t)
	hears, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hears.Close()
	met := make(chan string, 9)
	go func() {
		for {
			c, err := hears.Accept()
			if err != nil {
				close(met)
				return
			}
			met <- c.RemoteAddr().String()
			c.Close()
		}
	}()
	url := "http://" + hears.Addr().String() + "/a.ts"
	other := film(t, "other.ts", "-f lavfi -i testsrc2=s=64x36:r=25:d=0.2")
	hls := "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"passwd.mp4":  fmt.Sprintf(hls, "file:///etc/passwd"),
		"net.m3u8":    fmt.Sprintf(hls, url),
		"net.mp4":     fmt.Sprintf(hls, url),
		"other.ts":    fmt.Sprintf(hls, "file://"+other),
		"key.mkv":     strings.Replace(fmt.Sprintf(hls, "file://"+other), "#EXTINF", `#EXT-X-KEY:METHOD=AES-128,URI="`+url+"\"\n#EXTINF", 1),
		"concat.mov":  "ffconcat version 1.0\nfile '" + other + "'\n",
		"concat.avi":  "ffconcat version 1.0\nfile '" + url + "'\n",
		"session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
		"dash.mpd":    `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period><AdaptationSet contentType="video"><Representation id="1" bandwidth="1"><BaseURL>` + url + `</BaseURL></Representation></AdaptationSet></Period></MPD>`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := attacked(t, e, path); !errors.Is(err, encoder.ErrBadInput) {
			t.Errorf("%s: got %v", name, err)
		}
		if name == "session.sdp" {
			continue
		}
		// The wall behind: nothing is forbidden to ffprobe but by the sandbox.
		if len(sandbox.Missing()) == 0 {
			open := func(e *Encoder, path string) error {
				args := []string{"-v", "error", "-protocol_whitelist", "file,http,tcp,crypto,data", "-show_format", "-i", source(path)}
				if strings.HasPrefix(text, "ffconcat") {
					args = append([]string{"-safe", "0"}, args...)
				}
				_, err := e.query(t.Context(), args, 1<<20, func([]byte) error { return nil })
				return err
			}
			if Partly() == nil {
				far := away(t, path)
				if err := attacked(t, e.Filling(far), far.Path()); !errors.Is(err, encoder.ErrBadInput) {
					t.Errorf("%s, from afar: got %v", name, err)
				}
				if far = away(t, path); open(e.Filling(far), far.Path()) == nil || far.came() == 0 {
					t.Errorf("%s, from afar: without allow-lists it opened, or was not read", name)
				}
			}
			if open(e, path) == nil {
				t.Errorf("%s: without allow-lists it opened", name)
			}
			outside := *e
			outside.start = bare
			if strings.Contains(text, other) && !strings.Contains(text, url) && open(&outside, path) != nil {
				t.Errorf("%s is no attack: it does not even open without a sandbox", name)
			}
		}
	}
	hears.Close()
	for from := range met {
		t.Errorf("a connection came from %s", from)
	}
}

// box is an MP4 box.
func box(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+8)), kind...), body...)
}

// png is a picture of one colour: the larger, the better it packs.
func pngHeader(width, height uint32) []byte {
	ihdr := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)...)
	ihdr = append(ihdr, 8, 6, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), binary.BigEndian.AppendUint32(nil, 13)...)
	out = append(out, ihdr...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(ihdr))
}

// huge is a film whose header tells of pictures of that size.
func huge(codec string, width, height int, picture []byte) []byte {
	u16 := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	u32 := func(all ...uint32) (b []byte) {
		for _, n := range all {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	entry := box(codec, make([]byte, 6), u16(1), make([]byte, 16), u16(width), u16(height), u32(72<<16, 72<<16, 0), u16(1), make([]byte, 32), u16(24), u16(0xffff))
	ftyp := box("ftyp", []byte("isom"), u32(512), []byte("isom"))
	mdat := box("mdat", picture, picture)
	unity := u32(1<<16, 0, 0, 0, 1<<16, 0, 0, 0, 1<<30)
	stbl := box("stbl",
		box("stsd", u32(0, 1), entry), box("stts", u32(0, 1, 2, 500)), box("stsc", u32(0, 1, 1, 2, 1)),
		box("stsz", u32(0, uint32(len(picture)), 2)), box("stco", u32(0, 1, uint32(len(ftyp)+8))))
	moov := box("moov",
		box("mvhd", u32(0, 0, 0, 1000, 1000, 1<<16, 1<<24, 0, 0), unity, make([]byte, 24), u32(2)),
		box("trak", box("tkhd", u32(3, 0, 0, 1, 0, 1000, 0, 0, 0, 0), unity, u32(uint32(width)<<16, uint32(height)<<16)),
			box("mdia", box("mdhd", u32(0, 0, 0, 1000, 1000, 0)), box("hdlr", u32(0, 0), []byte("vide"), make([]byte, 13)),
				box("minf", box("vmhd", u32(1, 0, 0)), box("dinf", box("dref", u32(0, 1), box("url ", u32(1)))), stbl))))
	return bytes.Join([][]byte{ftyp, mdat, moov}, nil)
}

// Headers that promise more than any film has are refused before anything is
// set apart for them.
func TestHugePictures(t *testing.T) {
	e := find(t)
	bomb := film(t, "bomb.png", "-f lavfi -i color=c=red:s=10000x10000 -frames:v 1 -pix_fmt gray -threads 1")
	picture, err := os.ReadFile(bomb)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, body := range map[string][]byte{
		"50000 PNG.mov": huge("png ", 50000, 50000, append(pngHeader(50000, 50000), make([]byte, 64)...)),
		"liar PNG.mov":  huge("png ", 640, 360, append(pngHeader(50000, 50000), make([]byte, 64)...)),
		"50000 AVC.mp4": huge("avc1", 50000, 50000, make([]byte, 64)),
		"raw.mov":       huge("raw ", 60000, 60000, make([]byte, 64)),
		"bomb.mov":      huge("png ", 10000, 10000, picture),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		err := attacked(t, e, path)
		if !errors.Is(err, encoder.ErrBadInput) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Pictures of absurd shape and times that leap are no film.
func TestOddPictures(t *testing.T) {
	e := find(t)
	for name, args := range map[string]string{
		"needle.mp4":  "-f lavfi -i testsrc2=s=16x4000:r=25:d=0.4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
		"plank.mp4":   "-f lavfi -i testsrc2=s=4000x16:r=25:d=0.4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
		"endless.mkv": "-f lavfi -i testsrc2=s=64x36:r=25:d=0.08 -vf setpts=N*36000/TB -fps_mode vfr -c:v libx264 -preset ultrafast",
		"slow.mov":    "-f lavfi -i testsrc2=s=64x36:r=25:d=0.08 -vf setpts=N*36000/TB -fps_mode vfr -c:v libx264 -preset ultrafast -bf 0",
	} {
		err := attacked(t, e, film(t, name, args))
		if !errors.Is(err, encoder.ErrBadInput) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What runs away in spite of all checks ends at its bounds, and says so.
func TestBounds(t *testing.T) {
	e := find(t)
	if l := sandbox.Layers()[4]; !l.Holds {
		t.Skip("no limits here:", l.How)
	}
	leaps := film(t, "leaps.mkv", "-f lavfi -i testsrc2=s=64x36:r=25:d=0.08 -vf setpts=N*36000/TB -fps_mode vfr -c:v libx264 -preset ultrafast")
	for of, c := range map[string]struct {
		bounds
		args []string
	}{
		"space":          {bounds{output: 1 << 20, cpu: time.Minute}, append(strings.Fields("-f lavfi -i testsrc2=s=640x360 -c:v rawvideo -f rawvideo"), source(filepath.Join(t.TempDir(), "out")))},
		"processor time": {bounds{cpu: time.Second}, []string{"-i", source(leaps), "-r", "25", "-c:v", "rawvideo", "-f", "rawvideo", "pipe:1"}},
		"memory":         {bounds{cpu: time.Minute, memory: 400 << 20}, strings.Fields("-f lavfi -i testsrc2=s=320x180:d=0.2,scale=8000:8000 -c:v libx264 -threads 1 -f null -")},
	} {
		began := time.Now()
		_, err := e.within(c.bounds).run(t.Context(), c.args, nil)
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Of != of {
			t.Errorf("%s: got %v after %s", of, err, time.Since(began))
		}
	}
}

// What a run may touch follows from its arguments.
func TestBoxFollowsArguments(t *testing.T) {
	b := bounds{also: []string{"/in/more"}}.box([]string{"-v", "error", "-i", "file:/in/a b.mov", "-map", "0:v", "file:/out/1.mp4", "file:/out/2.mp4", "-f", "null", "-"})
	if fmt.Sprint(b.Read, b.Write) != "[/in/more /in/a b.mov] [/out]" || b.CPU <= 0 || b.Memory <= 0 || b.Output <= 0 {
		t.Errorf("got %+v", b)
	}
}

// BenchmarkStart is what an ffmpeg costs that does next to nothing.
func BenchmarkStart(b *testing.B) {
	e, err := Find()
	if err != nil {
		b.Skip(err)
	}
	for name, start := range map[string]func(*Encoder){"without": func(e *Encoder) { e.start = bare }, "within": func(*Encoder) {}} {
		b.Run(name, func(b *testing.B) {
			c := *e
			start(&c)
			var cpu time.Duration
			for b.Loop() {
				did, err := c.run(b.Context(), strings.Fields("-f lavfi -i anullsrc -t 0.01 -f null -"), nil)
				if err != nil {
					b.Fatal(err)
				}
				cpu += did.cpu
			}
			b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}
