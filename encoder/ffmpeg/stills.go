package ffmpeg

import (
	"fmt"
	"image"
	_ "image/jpeg" // to decode the poster
	"os"

	"bobine/encoder"
	"bobine/encoder/verify"
)

// posterAt is the frame of the chunk that the poster shows: the last up to the
// ladder's of which the reference tells what the source shows.
func (j VideoJob) posterAt() int64 {
	n := j.Ladder.PosterFrame - j.Chunk.First
	return n - n%j.every()
}

// stills compares the poster and the pictures of the storyboard with the
// reference: those of them that it has.
func (j VideoJob) stills() (encoder.Check, error) {
	reference, err := os.ReadFile(j.file(thumbsFile))
	if err != nil {
		return encoder.Check{}, err
	}
	rate, _ := j.Ladder.Grid(j.Source)
	var all []verify.Still
	add := func(name string, frame int64, picture func() (image.Image, error)) error {
		n := frame / j.every()
		if frame%j.every() != 0 || int(n+1)*verify.ThumbBytes > len(reference) {
			return nil
		}
		got, err := picture()
		all = append(all, verify.Still{
			Name: name, At: rate.Seconds(j.Chunk.First + frame), Got: got,
			Want: reference[n*verify.ThumbBytes : (n+1)*verify.ThumbBytes],
		})
		return err
	}
	if j.poster() {
		if err := add("the poster", j.posterAt(), func() (image.Image, error) { return j.decodePoster() }); err != nil {
			return encoder.Check{}, err
		}
	}
	t := j.tiles()
	raw, err := j.rawTiles(t)
	if err != nil {
		return encoder.Check{}, err
	}
	for i, frame := range t.Frames() {
		luma := raw[i*t.Bytes():][:t.Width*t.Height]
		picture := &image.Gray{Pix: luma, Stride: t.Width, Rect: image.Rect(0, 0, t.Width, t.Height)}
		if err := add("a picture of the storyboard", frame*j.Ladder.Step(), func() (image.Image, error) { return picture, nil }); err != nil {
			return encoder.Check{}, err
		}
	}
	return verify.Stills(all), nil
}

// decodePoster is a CheckError where there is nothing to decode.
func (j VideoJob) decodePoster() (image.Image, error) {
	f, err := os.Open(j.file(PosterFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, _, err := image.Decode(f)
	if err != nil {
		return nil, &CheckError{encoder.Check{Name: "stills", Detail: fmt.Sprintf("the poster cannot be decoded: %v", err)}, PosterFile}
	}
	return m, nil
}

// rawTiles are the storyboard's pictures of the chunk.
func (j VideoJob) rawTiles(t encoder.Tiles) ([]byte, error) {
	if t.Count == 0 {
		return nil, nil
	}
	b, err := os.ReadFile(j.file(TilesFile))
	if err != nil {
		return nil, err
	}
	return b[(t.Kept()-t.Count)*t.Bytes():], nil
}
