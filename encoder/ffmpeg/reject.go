package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"bobine/encoder"
)

var language = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]{2,8})*$`)

var playlists = map[string]bool{"hls": true, "concat": true, "dash": true, "imf": true, "sdp": true, "rtsp": true}

// refusal says in plain words why ffprobe did not open a file.
func (e *Encoder) refusal(path, said string, err error) error {
	bad := func(why string) error { return fmt.Errorf("%w: %s", encoder.ErrBadInput, why) }
	if errors.Is(err, encoder.ErrBadInput) {
		return err // a limit was passed
	}
	if m := notWhitelist.FindStringSubmatch(said); m != nil {
		switch f := m[1]; {
		case playlists[f]:
			return bad("it is a playlist in disguise (" + f + "), which would read other files")
		case strings.HasSuffix(f, "_pipe"), f == "gif", f == "image2", f == "apng", f == "ico":
			return bad("it is a still picture (" + strings.TrimSuffix(f, "_pipe") + ")")
		default:
			return bad("it is not media (it looks like " + f + ")")
		}
	}
	switch {
	case strings.Contains(said, "moov atom not found") && e.looksLikeMP4(path):
		return bad("it has no moov, the index of an MP4: most of it may never have arrived")
	case strings.Contains(said, "Invalid data found"), strings.Contains(said, "moov atom not found"),
		strings.Contains(said, "End of file"), strings.Contains(said, "could not find codec parameters"):
		return bad("it is not media, or damaged from its first bytes on")
	}
	return &Error{Err: err, Log: said}
}

// looksLikeMP4 tells whether the file begins with a box: ffprobe goes by the
// name and looks for a moov in any text called .mp4.
func (e *Encoder) looksLikeMP4(path string) bool {
	f, err := e.openSource(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [8]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return false
	}
	for _, kind := range []string{"ftyp", "mdat", "wide", "free", "skip", "pnot", "uuid", "moof", "styp"} {
		if bytes.Equal(head[4:], []byte(kind)) {
			return true
		}
	}
	return false
}

// cutShort tells whether an MP4 ends before its last box does: then its
// header tells of pictures that are not there.
func (e *Encoder) cutShort(path string) bool {
	f, err := e.openSource(path)
	if err != nil {
		return false
	}
	defer f.Close()
	end := f.Size()
	for at := int64(0); at < end; {
		var head [16]byte
		if n, _ := f.ReadAt(head[:], at); n < 8 {
			return true
		}
		size := int64(binary.BigEndian.Uint32(head[:]))
		if size == 1 {
			size = int64(binary.BigEndian.Uint64(head[8:]))
		}
		if size == 0 {
			return false // to the end of the file
		}
		if size < 8 || at+size > end {
			return true
		}
		at += size
	}
	return false
}
