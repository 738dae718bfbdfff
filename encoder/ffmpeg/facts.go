package ffmpeg

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"bobine/encoder"
)

// turn is how a player turns the picture: mirrored first, then so many
// degrees clockwise. matrix is ffprobe's print of the display matrix.
func turn(matrix string) (clockwise int, mirrored bool) {
	var m []float64
	for line := range strings.Lines(matrix) {
		_, row, ok := strings.Cut(line, ":")
		for _, f := range strings.Fields(row) {
			if n, err := strconv.ParseInt(f, 10, 64); ok && err == nil {
				m = append(m, float64(n))
			}
		}
	}
	if len(m) != 9 {
		return 0, false
	}
	a, b, c, d := m[0], m[1], m[3], m[4]
	quarters := int(math.Round(math.Atan2(-c, d) / (math.Pi / 2)))
	return (quarters + 4) % 4 * 90, a*d-b*c < 0
}

var depth = regexp.MustCompile(`(?:^(?:gray|ya)|p|[a-z])(9|10|12|14|16)(?:le|be)$`)

// bitDepth is that of one sample of the picture.
func (s stream) bitDepth() int {
	if m := depth.FindStringSubmatch(s.PixelFormat); m != nil {
		return int(number(m[1]))
	}
	if strings.HasPrefix(s.PixelFormat, "rgb48") || strings.HasPrefix(s.PixelFormat, "xyz12") {
		return map[bool]int{true: 12, false: 16}[strings.HasPrefix(s.PixelFormat, "xyz")]
	}
	if s.PixelFormat == "" {
		return 0
	}
	return 8
}

// dolbyVision is the profile, such as "8.4": its second part tells what a
// player sees who knows nothing of it.
func (s stream) dolbyVision() string {
	for _, d := range s.SideData {
		if d.Kind == "DOVI configuration record" {
			if d.Below == 0 {
				return strconv.Itoa(d.Dolby)
			}
			return fmt.Sprintf("%d.%d", d.Dolby, d.Below)
		}
	}
	return ""
}

// describeFilm fills in what belongs to no track alone.
func (h header) describeFilm(src *encoder.Source) {
	for _, s := range h.Streams {
		if src.Timecode == "" && (s.Kind == "video" || s.Tag == "tmcd") {
			src.Timecode = s.Tags["timecode"]
		}
	}
	if src.Timecode == "" {
		src.Timecode = h.Format.Tags["timecode"]
	}
	for _, c := range h.Chapters {
		from, to := seconds(c.Start)-src.Start, seconds(c.End)-src.Start
		if from = max(0, from); to > from {
			src.Chapters = append(src.Chapters, encoder.Chapter{Start: from, End: min(to, src.Duration), Title: c.Tags["title"]})
		}
	}
	if v := src.Video; v != nil && v.DolbyOnly() {
		src.Warnings = append(src.Warnings, fmt.Sprintf("the picture is Dolby Vision profile %s, which has no picture for other screens: "+
			"its colours come out wrong (green and purple); send profile 8 or HDR10 instead", v.DolbyVision))
	}
}
