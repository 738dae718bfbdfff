package packaging

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// maxBox bounds every box that is read into memory: all but mdat.
const maxBox = 4 << 20

var errBox = errors.New("damaged MP4")

// header is the head of a top-level box; its payload has not been read.
type header struct {
	kind    string
	head    int64 // bytes of the head itself
	payload int64
}

// readHeader reads the head of the next top-level box, or io.EOF at a clean end.
func readHeader(r io.Reader) (header, error) {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:8]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: it ends inside the head of a box", errBox)
		}
		return header{}, err
	}
	h := header{kind: string(b[4:8]), head: 8}
	size := int64(binary.BigEndian.Uint32(b[:4]))
	if size == 1 {
		if _, err := io.ReadFull(r, b[8:16]); err != nil {
			return header{}, fmt.Errorf("%w: it ends inside the head of box %q", errBox, h.kind)
		}
		h.head, size = 16, int64(binary.BigEndian.Uint64(b[8:16]))
	}
	if size < h.head {
		return header{}, fmt.Errorf("%w: box %q says it is %d bytes long", errBox, h.kind, size)
	}
	h.payload = size - h.head
	return h, nil
}

// readPayload reads the payload of a box that must fit in memory.
func readPayload(r io.Reader, h header) ([]byte, error) { return readBounded(r, h, maxBox) }

func readBounded(r io.Reader, h header, most int64) ([]byte, error) {
	if h.payload > most {
		return nil, fmt.Errorf("%w: box %q is %d bytes long, at most %d may be", errBox, h.kind, h.payload, most)
	}
	b, err := io.ReadAll(io.LimitReader(r, h.payload))
	if err == nil && int64(len(b)) < h.payload {
		err = fmt.Errorf("%w: it ends inside box %q", errBox, h.kind)
	}
	return b, err
}

// box is one box in memory.
type box struct {
	kind string
	data []byte // payload
	raw  []byte // with its head
}

// boxes walks the boxes of a payload, one level deep: whoever wants to go
// deeper says where, so the depth is bounded by the code.
func boxes(b []byte) iter.Seq2[box, error] {
	return func(yield func(box, error) bool) {
		for len(b) > 0 {
			if len(b) < 8 {
				yield(box{}, fmt.Errorf("%w: %d bytes are left, too few for a box", errBox, len(b)))
				return
			}
			n, kind := uint64(binary.BigEndian.Uint32(b)), string(b[4:8])
			if n < 8 || n > uint64(len(b)) {
				yield(box{}, fmt.Errorf("%w: box %q says it is %d bytes long, %d are left", errBox, kind, n, len(b)))
				return
			}
			if !yield(box{kind, b[8:n], b[:n]}, nil) {
				return
			}
			b = b[n:]
		}
	}
}

// find is the payload of the only box at the end of the path. Twins on the
// way, or none, are an error.
func find(b []byte, path ...string) ([]byte, error) {
	for _, kind := range path {
		var found *box
		for x, err := range boxes(b) {
			if err != nil {
				return nil, err
			}
			if x.kind != kind {
				continue
			}
			if found != nil {
				return nil, fmt.Errorf("%w: it has two boxes %q where one belongs", errBox, kind)
			}
			found = &x
		}
		if found == nil {
			return nil, fmt.Errorf("%w: it has no box %q", errBox, kind)
		}
		b = found.data
	}
	return b, nil
}

// has tells whether there is a box at the end of the path.
func has(b []byte, path ...string) bool {
	for _, kind := range path {
		found := false
		for x, err := range boxes(b) {
			if err == nil && x.kind == kind {
				b, found = x.data, true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// without is the payload with the boxes of the named kinds taken out.
func without(b []byte, kinds ...string) ([]byte, error) {
	var out []byte
next:
	for x, err := range boxes(b) {
		if err != nil {
			return nil, err
		}
		for _, k := range kinds {
			if x.kind == k {
				continue next
			}
		}
		out = append(out, x.raw...)
	}
	return out, nil
}

// fields reads big-endian numbers. Past the end it reads zeros and remembers.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.b) {
		f.short, f.b = true, nil
		return make([]byte, min(max(n, 0), 8))
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) skip(n int)  { f.take(n) }
func (f *fields) u8() uint8   { return f.take(1)[0] }
func (f *fields) u32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.BigEndian.Uint64(f.take(8)) }

// version reads the head of a full box.
func (f *fields) version() (version uint8, flags uint32) {
	v := f.u32()
	return uint8(v >> 24), v & 0xffffff
}

// makeBox builds a box from its payload.
func makeBox(kind string, parts ...[]byte) []byte {
	out := append(make([]byte, 4, 64), kind...)
	for _, p := range parts {
		out = append(out, p...)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)))
	return out
}

// makeFull builds a full box.
func makeFull(kind string, version uint8, flags uint32, parts ...[]byte) []byte {
	return makeBox(kind, append([][]byte{be32(uint32(version)<<24 | flags)}, parts...)...)
}

func be32(values ...uint32) []byte {
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		out = binary.BigEndian.AppendUint32(out, v)
	}
	return out
}

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
