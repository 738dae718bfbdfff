package encoder

import (
	"encoding/json"
	"fmt"
	"iter"
)

// Progress is how far a running encode is. It only grows.
type Progress struct {
	Fraction float64 `json:"fraction"` // 0 to 1
	Speed    float64 `json:"speed"`    // seconds of film per second of wall time
}

// File is one stored object. Its key is told by its place: see InitName and
// SegmentName.
type File struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // lower-case hex
}

// Segment is one media segment of a track.
type Segment struct {
	File
	Start    int64 `json:"start"` // decode time of the first sample, in ticks of the track's timescale
	Duration int64 `json:"duration"`
	Samples  int   `json:"samples"` // pictures, audio frames, or cues that begin in it
	Keys     []Key `json:"keys,omitempty"`
}

// Key is a picture of a segment that needs no other: the first of each GOP.
type Key struct {
	Offset int64 // of the fragment it begins, in the segment
	Bytes  int64 // from there to the picture's end
	Start  int64 // decode time, as Segment.Start
}

// MarshalJSON writes [offset, bytes, start]: a film has thousands.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal([3]int64{k.Offset, k.Bytes, k.Start}) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (k *Key) UnmarshalJSON(b []byte) error {
	var n [3]int64
	err := json.Unmarshal(b, &n)
	*k = Key{n[0], n[1], n[2]}
	return err
}

// Track is one rendition of one chunk (or of the whole film, for sound).
type Track struct {
	Rendition string    `json:"rendition"`
	Codecs    string    `json:"codecs"` // RFC 6381, such as "avc1.640028"
	Timescale int64     `json:"timescale"`
	Init      File      `json:"init,omitzero"` // captions have none
	Segments  []Segment `json:"segments"`
	Sidecar   File      `json:"sidecar,omitzero"` // captions only: all cues in one file
}

// Files walks the files of a track with the names they have when chunk and
// attempt made it. In this order they lie one behind the other in the file
// that an encode leaves behind.
func (t Track) Files(chunk, attempt int) iter.Seq2[string, File] {
	return func(yield func(string, File) bool) {
		if t.Init != (File{}) && !yield(InitName(chunk, attempt), t.Init) {
			return
		}
		for n, s := range t.Segments {
			if !yield(t.SegmentName(chunk, attempt, n), s.File) {
				return
			}
		}
		if t.Sidecar != (File{}) {
			yield(SidecarName(chunk, attempt), t.Sidecar)
		}
	}
}

// SegmentName is the file name of the n-th media segment (from 0).
func (t Track) SegmentName(chunk, attempt, n int) string {
	if t.Codecs == WebVTT {
		return fmt.Sprintf("c%05d-a%d-%05d.vtt", chunk, attempt, n)
	}
	return SegmentName(chunk, attempt, n)
}

// Samples counts the pictures, audio frames or cues of all segments.
func (t Track) Samples() int64 {
	var n int64
	for _, s := range t.Segments {
		n += int64(s.Samples)
	}
	return n
}

// Bytes is the size of all media segments, without the init segment.
func (t Track) Bytes() int64 {
	var n int64
	for _, s := range t.Segments {
		n += s.Bytes
	}
	return n
}

// Stored is one file of a film.
type Stored struct {
	Name        string `json:"name"` // below the film's root
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`
	ContentType string `json:"content_type"`
}

// Check is one thing that was verified, with the numbers it was judged by.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`

	// Of checks of one kind on parts of one rendition, that with the least
	// margin is kept: how far it was from failing, in its own unit.
	Margin float64 `json:"margin,omitempty"`
}

// Result is what one encode task leaves behind. It exists only when every
// check of the task passed.
type Result struct {
	Tracks []Track `json:"tracks"`
	Poster *File   `json:"poster,omitempty"` // the chunk that holds the poster's frame has it
	Tiles  *File   `json:"tiles,omitempty"`  // pictures of the storyboard, as Ladder.Tiles tells
	Checks []Check `json:"checks"`

	Warnings []string `json:"warnings,omitempty"` // what is missing because of the source, and where

	Line21 *File   `json:"line21,omitempty"` // of a chunk of an unread source: CEA-608 found in its pictures
	Heard  []Audio `json:"heard,omitempty"`  // Source.Audio of an unread source, as it was measured

	CPU  float64 `json:"cpu_s"`  // processor seconds of the encode
	Wall float64 `json:"wall_s"` // wall seconds of the encode
}

// InitName is the file name of an init segment: chunk and attempt tell
// apart what two workers may have written for the same chunk.
func InitName(chunk, attempt int) string {
	return fmt.Sprintf("c%05d-a%d-init.mp4", chunk, attempt)
}

// SegmentName is the file name of the n-th media segment (from 0) of a chunk.
func SegmentName(chunk, attempt, n int) string {
	return fmt.Sprintf("c%05d-a%d-%05d.m4s", chunk, attempt, n)
}

// SidecarName is the file name of captions in one piece.
func SidecarName(chunk, attempt int) string {
	return fmt.Sprintf("c%05d-a%d.vtt", chunk, attempt)
}

// Part is one rendition of one chunk, under the attempt that won it.
type Part struct {
	Chunk   int `json:"chunk"`
	Attempt int `json:"attempt"`
	Track
}

// PosterName is the file name of a poster before publication.
func PosterName(chunk, attempt int) string {
	return fmt.Sprintf("c%05d-a%d-poster.jpg", chunk, attempt)
}
