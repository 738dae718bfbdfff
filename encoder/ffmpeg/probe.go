package ffmpeg

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bobine/encoder"
)

// Probe tells what the file at path is. A file that can never become a film
// gives an error that wraps encoder.ErrBadInput and says why in plain words;
// any other error is a fault of ours and may pass. The file is only read.
func (e *Encoder) Probe(ctx context.Context, path string) (encoder.Source, error) {
	src, err := task(ctx, e, (*Encoder).probe, path)
	if err != nil {
		return encoder.Source{}, fmt.Errorf("probe %q: %w", filepath.Base(path), err)
	}
	return src, nil
}

func (e *Encoder) probe(ctx context.Context, path string) (encoder.Source, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return encoder.Source{}, err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return encoder.Source{}, err
	case !info.Mode().IsRegular():
		return encoder.Source{}, fmt.Errorf("%w: it is no regular file (%s)", encoder.ErrBadInput, info.Mode().Type())
	case info.Size() == 0:
		return encoder.Source{}, fmt.Errorf("%w: it is empty (0 bytes)", encoder.ErrBadInput)
	}
	h, err := e.header(ctx, path)
	if err != nil {
		return encoder.Source{}, err
	}
	dir, err := os.MkdirTemp(e.scratch, "probe-")
	if err != nil {
		return encoder.Source{}, fmt.Errorf("make a scratch folder: %w", full(err))
	}
	defer os.RemoveAll(dir)
	src := encoder.Source{Container: h.Format.Name, Bytes: info.Size(), Audio: []encoder.Audio{}}
	repair, warning := e.ailing(path, h.Format.Name)
	if repair != "" {
		src.Repair, src.Warnings = repair, []string{warning}
		if path, err = e.mended(path, repair, dir); err != nil {
			return encoder.Source{}, err
		}
	}
	pick, err := choose(h, &src)
	if err != nil {
		return encoder.Source{}, err
	}
	short := strings.HasPrefix(h.Format.Name, "mov,") && e.cutShort(path)
	packets := e
	if skims := e.skimming(path); skims != nil && !short {
		packets, src.Unread = skims, true
	}
	if h.trusted(pick) && !short {
		if err = fromHeader(h, pick, &src); err == nil && src.Video != nil {
			src.Video.KeyGap, err = packets.keyGap(ctx, path, *src.Video, dir)
		}
	} else {
		var found scan
		if found, err = packets.scan(ctx, path, h, pick); err == nil {
			found.short = short
			err = fromPackets(h, pick, found, &src)
		}
	}
	if err != nil {
		return encoder.Source{}, err
	}
	if w := distant(src.Video); w != "" {
		src.Warnings = append(src.Warnings, w)
	}
	if err := e.look(ctx, path, &src); err != nil {
		return encoder.Source{}, err
	}
	h.describeFilm(&src)
	var together []string
	src.Audio, together = gather(src.Audio)
	src.Warnings = append(src.Warnings, together...)
	if !src.Unread {
		if err := e.measure(ctx, path, &src, dir); err != nil {
			return encoder.Source{}, err
		}
	}
	listCaptions(h, &src)
	if !src.Unread {
		if err := e.hidden(ctx, path, &src, dir); err != nil {
			return encoder.Source{}, err
		}
	} else if v := src.Video; v != nil && beside[v.Codec] != "" {
		src.Captions = append(src.Captions, encoder.Caption{Stream: v.Stream, Codec: "eia_608", Kind: encoder.CaptionCEA608}) // if there are any
	}
	if src.Video != nil && src.Video.HDR() && !e.zscale {
		src.Warnings = append(src.Warnings, "the picture is HDR and this ffmpeg cannot map its tones (no zscale): colours will be pale")
	}
	return src, nil
}

// header is the part of ffprobe's answer we read.
type header struct {
	Streams []stream
	Format  struct {
		Name  string            `json:"format_name"`
		Start string            `json:"start_time"`
		Long  string            `json:"duration"`
		Tags  map[string]string `json:"tags"`
	}
	Chapters []struct {
		Start string            `json:"start_time"`
		End   string            `json:"end_time"`
		Tags  map[string]string `json:"tags"`
	} `json:"chapters"`
}

type stream struct {
	Index       int    `json:"index"`
	Kind        string `json:"codec_type"`
	Codec       string `json:"codec_name"`
	Tag         string `json:"codec_tag_string"`
	Profile     string `json:"profile"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	SAR         string `json:"sample_aspect_ratio"`
	PixelFormat string `json:"pix_fmt"`
	Range       string `json:"color_range"`
	Matrix      string `json:"color_space"`
	Transfer    string `json:"color_transfer"`
	Primaries   string `json:"color_primaries"`
	FieldOrder  string `json:"field_order"`
	RealRate    string `json:"r_frame_rate"`
	MeanRate    string `json:"avg_frame_rate"`
	TimeBase    string `json:"time_base"`
	Start       string `json:"start_time"`
	Duration    string `json:"duration"`
	Frames      string `json:"nb_frames"`
	Bitrate     string `json:"bit_rate"`
	SampleRate  string `json:"sample_rate"`
	Channels    int    `json:"channels"`
	Layout      string `json:"channel_layout"`
	Disposition struct {
		Default int `json:"default"`
		Cover   int `json:"attached_pic"`
		Forced  int `json:"forced"`
		Deaf    int `json:"hearing_impaired"`
		Blind   int `json:"visual_impaired"`
	} `json:"disposition"`
	Tags     map[string]string `json:"tags"`
	SideData []struct {
		Kind   string `json:"side_data_type"`
		Matrix string `json:"displaymatrix"`
		Dolby  int    `json:"dv_profile"`
		Below  int    `json:"dv_bl_signal_compatibility_id"`
	} `json:"side_data_list"`
}

// limits stand before the input of every ffprobe and ffmpeg that reads what
// a partner sent.
var limits = []string{
	"-protocol_whitelist", "file",
	"-format_whitelist", formats,
}

func (e *Encoder) header(ctx context.Context, path string) (header, error) {
	var h header
	var text []byte
	args := append([]string{"-hide_banner", "-v", "error", "-max_alloc", "2147483648", "-max_pixels", "67108864"}, limits...)
	args = append(args, "-probesize", "50M", "-analyzeduration", "30M", "-print_format", "json",
		"-show_format", "-show_streams", "-show_chapters", "-i", source(path))
	said, err := e.within(probing).query(ctx, args, 8<<20, func(line []byte) error {
		text = append(append(text, line...), '\n')
		return nil
	})
	if err != nil {
		if ctx.Err() != nil || said == nil {
			return h, err
		}
		return h, e.refusal(path, said.tail(), err)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("read what ffprobe says: %w", err)
	}
	return h, nil
}

// picked are the streams that become the film.
type picked struct {
	video *stream // nil: sound only
	audio []stream
}

// choose picks the main picture and all sound, and fills what needs no clock.
func choose(h header, src *encoder.Source) (picked, error) {
	var p picked
	var still, unknown string
	blind := false // a picture there is, but no decoder for it
	for i, s := range h.Streams {
		switch {
		case s.Kind == "video" && (s.Disposition.Cover == 1 || stills[s.Codec] && number(s.Frames) <= 1 && !strings.HasPrefix(h.Format.Name, "avi")):
			still = s.Codec
		case s.Kind == "video" && s.unknown(), s.Kind == "audio" && s.unknown():
			if unknown == "" || s.Kind == "video" {
				unknown, blind = s.codecWord(), blind || s.Kind == "video"
			}
			src.Warnings = append(src.Warnings, fmt.Sprintf("track %d was left out: no decoder for %s", s.Index, s.codecWord()))
		case s.Kind == "video" && (s.Width < 1 || s.Height < 1):
			src.Warnings = append(src.Warnings, fmt.Sprintf("track %d was left out: not one picture in it tells its size", s.Index))
		case s.Kind == "video":
			if p.video == nil || s.better(*p.video) {
				p.video = &h.Streams[i]
			}
		case s.Kind == "audio" && (s.Channels < 1 || number(s.SampleRate) < 1):
			src.Warnings = append(src.Warnings, fmt.Sprintf("track %d was left out: it does not tell its channels", s.Index))
		case s.Kind == "audio":
			p.audio = append(p.audio, s)
		}
	}
	switch {
	case p.video == nil && (blind || unknown != "" && len(p.audio) == 0):
		return p, fmt.Errorf("%w: no decoder for %s", encoder.ErrBadInput, unknown)
	case p.video == nil && len(p.audio) == 0 && still != "":
		return p, fmt.Errorf("%w: it is a still picture (%s)", encoder.ErrBadInput, still)
	case p.video == nil && len(p.audio) == 0:
		return p, fmt.Errorf("%w: it has neither picture nor sound", encoder.ErrBadInput)
	}
	if p.video != nil {
		v := p.video.describe()
		src.Video = &v
		if long, short := max(v.Width, v.Height), min(v.Width, v.Height); long > 64*short {
			return p, fmt.Errorf("%w: its picture is %d×%d, no film has that shape", encoder.ErrBadInput, v.Width, v.Height)
		}
	}
	for _, s := range p.audio {
		src.Audio = append(src.Audio, s.describeSound())
	}
	return p, nil
}

var stills = map[string]bool{"mjpeg": true, "png": true, "bmp": true, "gif": true, "webp": true, "tiff": true}

func (s stream) unknown() bool { return s.Codec == "" || s.Codec == "unknown" || s.Codec == "none" }

// codecWord is a codec as people call it, from its tag where ffprobe has no name.
func (s stream) codecWord() string {
	switch tag := strings.ToLower(s.Tag); tag {
	case "vvc1", "vvi1":
		return "VVC (" + tag + ")"
	default:
		return cmp.Or(tag, "an unknown codec")
	}
}

// better tells whether s rather than t is the main picture.
func (s stream) better(t stream) bool {
	if a, b := s.Width*s.Height, t.Width*t.Height; a != b {
		return a > b
	}
	return s.Disposition.Default > t.Disposition.Default
}

func (s stream) describe() encoder.Video {
	v := encoder.Video{
		Stream: s.Index, Codec: s.Codec, Profile: s.Profile, CodedWidth: s.Width, CodedHeight: s.Height,
		SAR: ratio(strings.Replace(s.SAR, ":", "/", 1)), PixelFormat: s.PixelFormat,
		RealFPS: ratio(s.RealRate).Float(), MeanFPS: ratio(s.MeanRate).Float(),
		Primaries: s.Primaries, Transfer: s.Transfer, Matrix: s.Matrix, Range: s.Range,
		Bitrate: number(s.Bitrate), BitDepth: s.bitDepth(), DolbyVision: s.dolbyVision(), Interlaced: slices.Contains([]string{"tt", "bb", "tb", "bt"}, s.FieldOrder),
	}
	if f := v.SAR.Float(); f < 0.1 || f > 10 {
		v.SAR = encoder.Rate{Num: 1, Den: 1}
	}
	for _, d := range s.SideData {
		if d.Matrix != "" {
			v.Rotation, v.Mirrored = turn(d.Matrix)
		}
	}
	v.Width, v.Height = int(math.Round(float64(s.Width)*v.SAR.Float())), s.Height
	if v.Rotation%180 != 0 {
		v.Width, v.Height = v.Height, v.Width
	}
	return v
}

func (s stream) describeSound() encoder.Audio {
	a := encoder.Audio{
		Stream: s.Index, Codec: s.Codec, Channels: s.Channels, Layout: s.Layout,
		SampleRate: int(number(s.SampleRate)), Title: s.Tags["title"],
		Language: strings.ToLower(s.Tags["language"]), Start: seconds(s.Start), Duration: seconds(s.Duration),
		Access: s.Disposition.Blind == 1,
	}
	if !language.MatchString(a.Language) || a.Language == "und" {
		a.Language = ""
	}
	return a
}

func seconds(s string) float64 {
	var f float64
	if _, err := fmt.Sscan(s, &f); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0
	}
	return f
}

// ratio reads "30000/1001"; what is no positive ratio is 0/1.
func ratio(s string) encoder.Rate {
	var r encoder.Rate
	if err := r.UnmarshalText([]byte(s)); err != nil || r.Num <= 0 || r.Den <= 0 {
		return encoder.Rate{Num: 0, Den: 1}
	}
	return r
}
