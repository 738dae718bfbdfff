package packaging

import (
	"fmt"
)

// movie is what the moov of a one-track file says.
type movie struct {
	moov      []byte
	sound     bool
	id        uint32
	timescale int64
	codecs    string
	entry     string // kind of the sample entry
	edit      int64  // media time at which the presentation begins, by the edit list
	defaults  sample // of trex
}

func readMovie(moov []byte) (movie, error) {
	m := movie{moov: moov}
	trak, err := find(moov, "trak")
	if err != nil {
		return m, err
	}
	if err := m.read(trak); err != nil {
		return m, err
	}
	trex, err := find(moov, "mvex", "trex")
	if err != nil {
		return m, err
	}
	f := fields{b: trex}
	f.version()
	if id := f.u32(); id != m.id {
		return m, fmt.Errorf("%w: trex is of track %d, the track is %d", errBox, id, m.id)
	}
	f.skip(4)
	m.defaults = sample{duration: f.u32(), size: f.u32(), flags: f.u32()}
	if f.short {
		return m, fmt.Errorf("%w: trex is too short", errBox)
	}
	return m, nil
}

// read reads what a track says of itself.
func (m *movie) read(trak []byte) error {
	for _, part := range []func(trak []byte) error{m.readTrack, m.readMedia, m.readEntry, m.readEdit} {
		if err := part(trak); err != nil {
			return err
		}
	}
	return nil
}

// initSegment writes ftyp and the moov with an edit list of our own, which
// takes the delay off every presentation time. What may differ between chunks
// or muxer versions without meaning (their edit list, user data) is left out:
// all chunks of a film share one init segment.
//
// CMAF knows two ways to undo the delay of B-frames, an edit list (cmfc) and
// negative composition offsets (cmf2). Browsers do both right; ffmpeg shows
// pictures late by the most negative offset, so it is the edit list.
func (m movie) initSegment(delay int64) ([]byte, error) {
	var out []byte
	for x, err := range boxes(m.moov) {
		if err != nil {
			return nil, err
		}
		switch x.kind {
		case "udta", "meta":
		case "trak":
			trak, err := without(x.data, "edts", "udta", "meta")
			if err != nil {
				return nil, err
			}
			if delay > 0 {
				elst := makeFull("elst", 0, 0, be32(1, 0, uint32(delay), 1<<16))
				trak = append(trak, makeBox("edts", elst)...)
			}
			if m.sound {
				trak = append(trak, room()...)
			}
			out = append(out, makeBox("trak", trak)...)
		default:
			out = append(out, x.raw...)
		}
	}
	ftyp := makeBox("ftyp", []byte("iso6"), be32(0), []byte("iso6cmfcmp41"))
	return append(ftyp, makeBox("moov", out)...), nil
}

func (m *movie) readTrack(trak []byte) error {
	tkhd, err := find(trak, "tkhd")
	if err != nil {
		return err
	}
	f := fields{b: tkhd}
	if v, _ := f.version(); v == 1 {
		f.skip(16)
	} else {
		f.skip(8)
	}
	m.id = f.u32()
	if f.short || m.id == 0 {
		return fmt.Errorf("%w: tkhd names no track", errBox)
	}
	return nil
}

func (m *movie) readMedia(trak []byte) error {
	mdhd, err := find(trak, "mdia", "mdhd")
	if err != nil {
		return err
	}
	f := fields{b: mdhd}
	if v, _ := f.version(); v == 1 {
		f.skip(16)
	} else {
		f.skip(8)
	}
	m.timescale = int64(f.u32())
	if f.short || m.timescale == 0 {
		return fmt.Errorf("%w: mdhd has no timescale", errBox)
	}
	hdlr, err := find(trak, "mdia", "hdlr")
	if err != nil {
		return err
	}
	f = fields{b: hdlr}
	f.skip(8)
	switch kind := string(f.take(4)); kind {
	case "vide":
	case "soun":
		m.sound = true
	default:
		return fmt.Errorf("%w: the track is of kind %q, neither picture nor sound", errBox, kind)
	}
	return nil
}

// readEntry reads the codec from the sample entry.
func (m *movie) readEntry(trak []byte) error {
	stsd, err := find(trak, "mdia", "minf", "stbl", "stsd")
	if err != nil {
		return err
	}
	f := fields{b: stsd}
	f.version()
	if n := f.u32(); n != 1 || f.short {
		return fmt.Errorf("%w: stsd has %d sample entries, not one", errBox, n)
	}
	for x, err := range boxes(f.b) {
		if err != nil {
			return err
		}
		e := fields{b: x.data}
		switch x.kind {
		case "avc1", "hvc1", "av01":
			e.skip(78) // VisualSampleEntry
			m.codecs, err = map[string]func(fields) (string, error){
				"avc1": avcCodecs, "hvc1": hevcCodecs, "av01": av1Codecs,
			}[x.kind](e)
		case "mp4a":
			e.skip(28) // AudioSampleEntry
			m.codecs, err = aacCodecs(e)
		default:
			err = fmt.Errorf("%w: sample entry %q is none of avc1, hvc1, av01, mp4a", errBox, x.kind)
		}
		m.entry = x.kind
		return err
	}
	return fmt.Errorf("%w: stsd is empty", errBox)
}

// aacCodecs walks the descriptors of esds: ES (3) holds DecoderConfig (4)
// holds DecoderSpecificInfo (5), whose first five bits are the object type.
func aacCodecs(e fields) (string, error) {
	esds, err := find(e.b, "esds")
	if err != nil {
		return "", err
	}
	f := fields{b: esds}
	f.version()
	f.descriptor(3)
	f.skip(2)
	flags := f.u8()
	if flags&0x80 != 0 {
		f.skip(2)
	}
	if flags&0x40 != 0 {
		f.skip(int(f.u8()))
	}
	if flags&0x20 != 0 {
		f.skip(2)
	}
	f.descriptor(4)
	object := f.u8()
	f.skip(12)
	f.descriptor(5)
	kind := f.u8() >> 3
	if f.short || kind == 31 {
		return "", fmt.Errorf("%w: esds is not one of AAC", errBox)
	}
	return fmt.Sprintf("mp4a.%02x.%d", object, kind), nil
}

// descriptor enters an MPEG-4 descriptor of the wanted tag.
func (f *fields) descriptor(tag uint8) {
	if f.u8() != tag {
		f.short = true
	}
	for range 4 { // the length takes at most four bytes
		if f.u8()&0x80 == 0 {
			break
		}
	}
}

// maxEdit is how many seconds a presentation may begin late: two pictures,
// and a film may have one in some seconds.
const maxEdit = 60

// readEdit reads where the presentation begins. Only sound needs it.
func (m *movie) readEdit(trak []byte) error {
	if !has(trak, "edts") {
		return nil
	}
	elst, err := find(trak, "edts", "elst")
	if err != nil {
		return err
	}
	f := fields{b: elst}
	v, _ := f.version()
	if n := f.u32(); n != 1 {
		return fmt.Errorf("%w: its edit list has %d entries, not one", errBox, n)
	}
	if v == 1 {
		f.skip(8)
		m.edit = int64(f.u64())
	} else {
		f.skip(4)
		m.edit = int64(int32(f.u32()))
	}
	if f.short || m.edit < 0 || m.edit > maxEdit*m.timescale {
		return fmt.Errorf("%w: its edit list begins at %d ticks", errBox, m.edit)
	}
	return nil
}
