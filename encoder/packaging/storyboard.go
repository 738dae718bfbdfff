package packaging

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"math"
	"path"

	"bobine/encoder"
)

// Storyboard is the WebVTT file that leads to the sheets.
const Storyboard = "storyboard.vtt"

const sheetFolder = "s"

func sheetName(n int) string { return fmt.Sprintf("sheet-%04d.jpg", n) }

// board is the storyboard of a whole film.
type board struct {
	encoder.Storyboard
	count         int // pictures
	width, height int // of one
}

func (b board) sheets() int { return (b.count + b.Columns*b.Rows - 1) / (b.Columns * b.Rows) }

// newBoard is what the tiles of all chunks come to; nil: the film has none.
func newBoard(l encoder.Ladder) *board {
	if l.Storyboard == nil || len(l.Video) == 0 {
		return nil
	}
	b := board{Storyboard: *l.Storyboard}
	for _, c := range l.Chunks {
		t := l.Tiles(c)
		b.count, b.width, b.height = b.count+t.Count, t.Width, t.Height
	}
	return &b
}

// Sheets tiles the storyboard anew: from what each chunk made to sheets of one
// size, which are handed to put in order. A ladder without a storyboard has
// none. Chunks that hold no picture of it are not asked for.
func Sheets(l encoder.Ladder, open func(chunk int) (io.ReadCloser, error), put func(name string, jpeg []byte) error) error {
	b := newBoard(l)
	if b == nil {
		return nil
	}
	var sheet *image.RGBA
	done := 0
	flush := func() error {
		var out bytes.Buffer
		done++
		if err := jpeg.Encode(&out, sheet, &jpeg.Options{Quality: 80}); err != nil {
			return err
		}
		sheet = nil
		return put(path.Join(sheetFolder, sheetName(done)), out.Bytes())
	}
	n := 0
	for _, c := range l.Chunks {
		t := l.Tiles(c)
		if t.Count == 0 {
			continue
		}
		tiles, err := readTiles(open, c.Index, t)
		if err != nil {
			return fmt.Errorf("tile the storyboard: chunk %d: %w", c.Index, err)
		}
		for i := range t.Count {
			if sheet == nil {
				sheet = image.NewRGBA(image.Rect(0, 0, b.Columns*t.Width, b.Rows*t.Height))
				draw.Draw(sheet, sheet.Rect, image.NewUniform(color.Black), image.Point{}, draw.Src)
			}
			draw.Draw(sheet, b.place(n%(b.Columns*b.Rows)), tiles, image.Pt(0, i*t.Height), draw.Src)
			if n++; n%(b.Columns*b.Rows) == 0 || n == b.count {
				if err := flush(); err != nil {
					return fmt.Errorf("tile the storyboard: %w", err)
				}
			}
		}
	}
	return nil
}

// place is that of the i-th picture on its sheet.
func (b board) place(i int) image.Rectangle {
	at := image.Pt(i%b.Columns*b.width, i/b.Columns*b.height)
	return image.Rectangle{at, at.Add(image.Pt(b.width, b.height))}
}

// readTiles reads the raw pictures of a chunk, one above the other.
func readTiles(open func(chunk int) (io.ReadCloser, error), chunk int, t encoder.Tiles) (*image.YCbCr, error) {
	r, err := open(chunk)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if t.Kept() > t.Count {
		if _, err := io.CopyN(io.Discard, r, int64(t.Bytes())); err != nil {
			return nil, err
		}
	}
	out := image.NewYCbCr(image.Rect(0, 0, t.Width, t.Count*t.Height), image.YCbCrSubsampleRatio420)
	for i := range t.Count {
		y, c := t.Width*t.Height, t.Width*t.Height/4
		for _, plane := range [][]byte{out.Y[i*y : (i+1)*y], out.Cb[i*c : (i+1)*c], out.Cr[i*c : (i+1)*c]} {
			if _, err := io.ReadFull(r, plane); err != nil {
				return nil, fmt.Errorf("picture %d of %d: %w", i, t.Count, err)
			}
		}
	}
	return out, nil
}

// storyboard is the WebVTT file: for each span of time, the part of a sheet
// to show.
func (f Film) storyboard(b board) []byte {
	var out bytes.Buffer
	out.WriteString("WEBVTT\n")
	for i := range b.count {
		from, to := float64(i)*b.Every.Seconds(), float64(i+1)*b.Every.Seconds()
		at := b.place(i % (b.Columns * b.Rows))
		fmt.Fprintf(&out, "\n%s --> %s\n%s/%s#xywh=%d,%d,%d,%d\n", clock(from), clock(min(to, max(from+0.001, f.Duration()))),
			sheetFolder, sheetName(i/(b.Columns*b.Rows)+1), at.Min.X, at.Min.Y, b.width, b.height)
	}
	return out.Bytes()
}

// clock is a time as WebVTT writes it.
func clock(seconds float64) string {
	ms := int64(math.Round(seconds * 1000))
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// boardSet is the storyboard in a manifest, after DASH-IF's guidelines.
func (f Film) boardSet(id int, b board) AdaptationSet {
	each := b.Every.Milliseconds() * int64(b.Columns*b.Rows)
	var bytes int64
	for _, s := range f.Beside {
		if path.Dir(s.Name) == sheetFolder {
			bytes += s.Bytes
		}
	}
	return AdaptationSet{
		ID: id, ContentType: "image", MimeType: "image/jpeg", Aligned: true, StartWithSAP: 1,
		Representations: []Representation{{
			ID: "storyboard", Bandwidth: max(1, perSecond(bytes, float64(b.sheets())*float64(each)/1000)),
			Width: b.Columns * b.width, Height: b.Rows * b.height,
			Essential: &Descriptor{"http://dashif.org/guidelines/thumbnail_tile", fmt.Sprintf("%dx%d", b.Columns, b.Rows)},
			Template:  &SegmentTemplate{Media: sheetFolder + "/sheet-$Number%04d$.jpg", Timescale: 1000, Duration: each, Start: 1},
		}},
	}
}
