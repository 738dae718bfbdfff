package packaging

import "fmt"

// maxSamples bounds the samples of one fragment, whose table may be empty.
const maxSamples = 1 << 18

// sample is one picture or audio frame.
type sample struct {
	size     uint32
	duration uint32
	flags    uint32
	offset   int64 // from decode time to presentation time
}

func (s sample) sync() bool { return s.flags&0x10000 == 0 }

// fragment is what one moof says of the mdat behind it.
type fragment struct {
	start   int64 // decode time; negative while the encoder is priming
	samples []sample
	bytes   int64
	head    int64 // bytes from the moof's first to the first sample's
}

// Flags of tfhd and trun, ISO/IEC 14496-12.
const (
	tfhdBaseOffset  = 0x1
	tfhdDescription = 0x2
	tfhdDuration    = 0x8
	tfhdSize        = 0x10
	tfhdFlags       = 0x20
	tfhdBaseIsMoof  = 0x20000

	trunDataOffset = 0x1
	trunFirstFlags = 0x4
	trunDuration   = 0x100
	trunSize       = 0x200
	trunFlags      = 0x400
	trunOffset     = 0x800
)

// readMoof reads the sample tables of a fragment of the movie. headBytes is
// the distance from the moof's first byte to its mdat's payload.
func readMoof(m movie, moof []byte, headBytes int64) (fragment, error) {
	var fr fragment
	traf, err := find(moof, "traf")
	if err != nil {
		return fr, err
	}
	tfhd, err := find(traf, "tfhd")
	if err != nil {
		return fr, err
	}
	defaults, err := readTfhd(m, tfhd)
	if err != nil {
		return fr, err
	}
	tfdt, err := find(traf, "tfdt")
	if err != nil {
		return fr, err
	}
	f := fields{b: tfdt}
	if v, _ := f.version(); v == 1 {
		fr.start = int64(f.u64())
	} else {
		fr.start = int64(f.u32())
	}
	const far = 1 << 55 // keeps every sum below in range
	if f.short || fr.start < -far || fr.start > far {
		return fr, fmt.Errorf("%w: tfdt begins at %d", errBox, fr.start)
	}
	for x, err := range boxes(traf) {
		if err != nil {
			return fr, err
		}
		if x.kind != "trun" {
			continue
		}
		if err := fr.readTrun(x.data, defaults, headBytes); err != nil {
			return fr, err
		}
	}
	return fr, nil
}

func readTfhd(m movie, b []byte) (sample, error) {
	s := m.defaults
	f := fields{b: b}
	_, flags := f.version()
	if id := f.u32(); id != m.id {
		return s, fmt.Errorf("%w: a fragment is of track %d, the track is %d", errBox, id, m.id)
	}
	if flags&tfhdBaseOffset != 0 || flags&tfhdBaseIsMoof == 0 {
		return s, fmt.Errorf("%w: a fragment does not count from its moof", errBox)
	}
	if flags&tfhdDescription != 0 {
		f.skip(4)
	}
	if flags&tfhdDuration != 0 {
		s.duration = f.u32()
	}
	if flags&tfhdSize != 0 {
		s.size = f.u32()
	}
	if flags&tfhdFlags != 0 {
		s.flags = f.u32()
	}
	if f.short {
		return s, fmt.Errorf("%w: tfhd is too short", errBox)
	}
	return s, nil
}

func (fr *fragment) readTrun(b []byte, defaults sample, headBytes int64) error {
	f := fields{b: b}
	version, flags := f.version()
	count := f.u32()
	if uint64(len(fr.samples))+uint64(count) > maxSamples {
		return fmt.Errorf("%w: a fragment has %d samples, at most %d may be", errBox, count, maxSamples)
	}
	if flags&trunDataOffset != 0 {
		// Samples lie one behind the other, or our reading would have to jump.
		if at := int64(int32(f.u32())); at != headBytes+fr.bytes {
			return fmt.Errorf("%w: samples begin %d bytes behind the moof, not %d", errBox, at, headBytes+fr.bytes)
		}
	}
	first := defaults.flags
	if flags&trunFirstFlags != 0 {
		first = f.u32()
	}
	for i := range count {
		s := defaults
		if i == 0 {
			s.flags = first
		}
		if flags&trunDuration != 0 {
			s.duration = f.u32()
		}
		if flags&trunSize != 0 {
			s.size = f.u32()
		}
		if flags&trunFlags != 0 {
			s.flags = f.u32()
		}
		if flags&trunOffset != 0 {
			s.offset = int64(f.u32())
			if version > 0 {
				s.offset = int64(int32(s.offset))
			}
		}
		if f.short {
			return fmt.Errorf("%w: trun ends before its %d samples do", errBox, count)
		}
		if s.duration == 0 || s.size == 0 {
			return fmt.Errorf("%w: a sample lasts %d ticks and has %d bytes", errBox, s.duration, s.size)
		}
		fr.samples = append(fr.samples, s)
		fr.bytes += int64(s.size)
	}
	return nil
}

// writeMoof is a moof for the samples, whose mdat follows at once. The
// offsets are taken as they are, signed.
func writeMoof(id, sequence uint32, start int64, samples []sample) []byte {
	first, rest := samples[0], samples[len(samples)-1]
	flags := uint32(trunDataOffset | trunSize)
	for i, s := range samples {
		if s.duration != rest.duration {
			flags |= trunDuration
		}
		if s.offset != 0 {
			flags |= trunOffset
		}
		if i > 0 && s.flags != rest.flags {
			flags |= trunFlags
		}
	}
	if flags&trunFlags == 0 && first.flags != rest.flags {
		flags |= trunFirstFlags
	}
	head := []uint32{uint32(len(samples)), 0} // the data offset is filled in below
	if flags&trunFirstFlags != 0 {
		head = append(head, first.flags)
	}
	table := head
	for _, s := range samples {
		if flags&trunDuration != 0 {
			table = append(table, s.duration)
		}
		table = append(table, s.size)
		if flags&trunFlags != 0 {
			table = append(table, s.flags)
		}
		if flags&trunOffset != 0 {
			table = append(table, uint32(int32(s.offset)))
		}
	}
	build := func() []byte {
		return makeBox("moof",
			makeFull("mfhd", 0, 0, be32(sequence)),
			makeBox("traf",
				makeFull("tfhd", 0, tfhdBaseIsMoof|tfhdDuration|tfhdFlags, be32(id, rest.duration, rest.flags)),
				makeFull("tfdt", 1, 0, be64(uint64(start))),
				makeFull("trun", 1, flags, be32(table...))))
	}
	table[1] = uint32(len(build())) + 8
	return build()
}
