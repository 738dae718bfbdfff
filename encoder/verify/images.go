package verify

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"

	"bobine/encoder/packaging"
)

const ruleVTT = "WebVTT"

// shade is what still pictures show.
type shade int

const (
	unseen shade = iota
	plain        // one colour, and no more
	shows
)

// readJPEG decodes a picture, or tells what is wrong with it.
func readJPEG(r io.Reader) (image.Image, string) {
	const most = 1 << 26 // pixels
	var head bytes.Buffer
	c, err := jpeg.DecodeConfig(io.TeeReader(r, &head))
	if err != nil {
		return nil, fmt.Sprintf("it is no JPEG: %v", err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > most/c.Height {
		return nil, fmt.Sprintf("it is %dx%d", c.Width, c.Height)
	}
	picture, err := jpeg.Decode(io.MultiReader(&head, r))
	if err != nil {
		return nil, fmt.Sprintf("it cannot be decoded: %v", err)
	}
	return picture, ""
}

// shadeOf looks at one pixel in sixteen.
func shadeOf(picture image.Image, part image.Rectangle) shade {
	var all []byte
	for y := part.Min.Y; y < part.Max.Y; y += 4 {
		for x := part.Min.X; x < part.Max.X; x += 4 {
			r, g, b, _ := picture.At(x, y).RGBA()
			all = append(all, byte((2*r+5*g+b)/8>>8))
		}
	}
	if spread(all) < 4 {
		return plain
	}
	return shows
}

// poster compares the poster with the film's best rung.
func (w *walker) poster(r io.Reader) string {
	picture, wrong := readJPEG(r)
	if wrong != "" {
		return wrong
	}
	width, height := 0, 0
	for _, m := range w.made {
		if m.Width > width {
			width, height = m.Width, m.Height
		}
	}
	size := picture.Bounds()
	if d := size.Dy()*width - size.Dx()*height; width > 0 && (size.Dx() > width || math.Abs(float64(d)) > float64(2*width)) {
		return fmt.Sprintf("it is %dx%d, the film %dx%d", size.Dx(), size.Dy(), width, height)
	}
	w.posterShade = shadeOf(picture, size)
	return ""
}

var (
	cueTimes = regexp.MustCompile(`^(\d\d):(\d\d):(\d\d\.\d{3}) --> (\d\d):(\d\d):(\d\d\.\d{3})$`)
	cuePlace = regexp.MustCompile(`^([\w./-]+\.jpg)#xywh=(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})$`)
)

// storyboard follows the WebVTT file to each picture of each sheet: together
// they must cover the film, and lie within sheets that decode.
func (w *walker) storyboard() error {
	b, wrong, err := w.read(packaging.Storyboard)
	if err != nil {
		return err
	}
	if wrong != "" && w.board == nil && !w.promised(packaging.Storyboard) {
		return nil
	}
	n := notes{name: packaging.Storyboard, rule: ruleVTT}
	if wrong != "" {
		w.judge("storyboard", whole(ruleOwn, n.name, wrong), "")
		return nil
	}
	w.same(&n, b)
	s := boardWalk{walker: w, notes: &n, sheets: map[string]image.Image{}, taken: map[string]int{}}
	if err := s.walk(string(b)); err != nil {
		return err
	}
	w.judge("storyboard", n.findings, "%d pictures on %d sheets, the last ends at %.3f s", len(s.taken), len(s.sheets), s.end)
	return nil
}

// boardWalk is a storyboard being followed.
type boardWalk struct {
	*walker
	*notes
	sheets map[string]image.Image // nil: it cannot be used, as was said
	taken  map[string]int         // line of each place
	end    float64
	tile   image.Point
}

func (s *boardWalk) walk(body string) error {
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if lines[0] != "WEBVTT" || len(lines)%3 != 1 || !strings.HasSuffix(body, "\n") {
		s.at(1, "it begins with %.20q and has %d lines: it is no WebVTT, or cut short", lines[0], len(lines))
		return nil
	}
	for i := 1; i+2 < len(lines); i += 3 {
		s.times(i+2, lines[i+1])
		if err := s.place(i+3, lines[i+2]); err != nil {
			return err
		}
	}
	if len(s.taken) == 0 {
		s.at(1, "it has no pictures")
	}
	if lasts := s.lasts(); lasts > 0 && math.Abs(s.end-lasts) > slack {
		s.at(len(lines), "its pictures end at %.3f s, the film at %.3f s", s.end, lasts)
	}
	if s.board != nil {
		s.manifest()
	}
	return nil
}

// lasts is the film's length as far as it is known; 0: it is not.
func (w *walker) lasts() float64 {
	var d float64
	for _, p := range w.lists {
		if p.kind == pictureList {
			d = max(d, float64(p.micro())/1e6)
		}
	}
	for _, m := range w.made {
		if m.Width > 0 {
			d = max(d, m.Duration)
		}
	}
	return d
}

func (s *boardWalk) times(line int, text string) {
	m := cueTimes.FindStringSubmatch(text)
	if m == nil {
		s.at(line, "%.60q is no span of time", text)
		return
	}
	seconds := func(m []string) float64 {
		h, _ := strconv.ParseFloat(m[0], 64)
		min, _ := strconv.ParseFloat(m[1], 64)
		sec, _ := strconv.ParseFloat(m[2], 64)
		return 3600*h + 60*min + sec
	}
	from, to := seconds(m[1:4]), seconds(m[4:7])
	if math.Abs(from-s.end) > 1e-6 || to <= from {
		s.at(line, "the picture is shown from %.3f to %.3f s, the one before to %.3f s", from, to, s.end)
	}
	s.end = to
}

// place checks that a picture lies within its sheet, where no other does.
func (s *boardWalk) place(line int, text string) error {
	m := cuePlace.FindStringSubmatch(text)
	if m == nil {
		s.at(line, "%.80q is no part of a sheet", text)
		return nil
	}
	sheet, err := s.sheet(line, m[1])
	if err != nil {
		return err
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+2])
	}
	at := image.Rect(n[0], n[1], n[0]+n[2], n[1]+n[3])
	if s.tile == (image.Point{}) {
		s.tile = at.Size()
	}
	first, twice := s.taken[text]
	switch {
	case sheet != nil && (at.Empty() || !at.In(sheet.Bounds())):
		s.at(line, "%s lies outside of the sheet, which is %dx%d", text, sheet.Bounds().Dx(), sheet.Bounds().Dy())
	case at.Size() != s.tile:
		s.at(line, "%s is of another size than the first", text)
	case twice:
		s.at(line, "%s stands already in line %d", text, first)
	case sheet != nil:
		s.boardShade = max(s.boardShade, shadeOf(sheet, at))
	}
	s.taken[text] = line
	return nil
}

// sheet decodes a sheet once; nil when it cannot be used.
func (s *boardWalk) sheet(line int, name string) (image.Image, error) {
	if picture, met := s.sheets[name]; met || s.Open == nil {
		return picture, nil
	}
	s.sheets[name] = nil
	wrong, err := s.file(name)
	if wrong == "" && err == nil {
		wrong, err = s.through(name, func(r io.Reader) (wrong string) {
			s.sheets[name], wrong = readJPEG(r)
			return wrong
		})
	}
	if wrong != "" {
		s.at(line, "%s", wrong)
	}
	return s.sheets[name], err
}

// manifest compares the sheets with what the manifest says of them.
func (s *boardWalk) manifest() {
	var columns, rows int
	_, _ = fmt.Sscanf(s.board.Essential.Value, "%dx%d", &columns, &rows) // else they are zero, and differ
	for _, name := range sortedKeys(s.sheets) {
		if x := s.sheets[name]; x != nil && (x.Bounds().Size() != image.Pt(s.board.Width, s.board.Height) || x.Bounds().Size() != image.Pt(columns*s.tile.X, rows*s.tile.Y)) {
			s.at(0, "%s is %dx%d, %s says %dx%d of %s pictures of %dx%d", name, x.Bounds().Dx(), x.Bounds().Dy(),
				packaging.Manifest, s.board.Width, s.board.Height, s.board.Essential.Value, s.tile.X, s.tile.Y)
		}
	}
	for _, name := range sortedKeys(s.known) {
		if _, used := s.sheets[name]; path.Dir(name) == path.Dir(s.board.Template.Media) && !used {
			s.at(0, "no picture is on %s, to which %s leads", name, packaging.Manifest)
		}
	}
}

// stillsAlike tells of a poster or a storyboard that is one colour where the
// other is not. A film may be dark at one place: nothing is refused for it.
func (w *walker) stillsAlike() {
	name := map[bool]string{true: packaging.Poster, false: packaging.Storyboard}[w.posterShade == plain]
	if w.posterShade+w.boardShade == plain+shows {
		n := notes{name: name}
		n.should(ruleOwn, 0, "it is of one colour, and the film's other stills are not")
		w.out.Findings = append(w.out.Findings, n.findings...)
	}
}
