// Package storage holds the words of keeping things: a Ref names an object,
// a Store keeps objects whole.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// Ref names an object below a store's root: slash-separated, relative and
// clean, at most 1,024 bytes of UTF-8 without control characters.
type Ref string

// Join builds a Ref from parts.
func Join(parts ...string) Ref { return Ref(path.Join(parts...)) }

// Check tells what is wrong with a Ref, in words that name it.
func (r Ref) Check() error {
	s := string(r)
	switch {
	case s == "", s == ".":
		return fmt.Errorf("%w: it is empty", ErrBadRef)
	case len(s) > 1024:
		return fmt.Errorf("%w: %.40q… is %d bytes long, at most 1024 may be", ErrBadRef, s, len(s))
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: %q is not UTF-8", ErrBadRef, s)
	case strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return fmt.Errorf("%w: %q has a control character", ErrBadRef, s)
	case strings.HasPrefix(s, "/"), path.Clean(s) != s, s == "..", strings.HasPrefix(s, "../"):
		return fmt.Errorf("%w: %q is not a clean relative path", ErrBadRef, s)
	}
	return nil
}

// Object is what a store knows of one object.
type Object struct {
	Ref      Ref
	Bytes    int64
	SHA256   string // lower-case hex; set by Put, empty where the store would have to read to tell
	Modified time.Time

	// What tells one object from another that took its name, in the store's
	// own words; empty where it has none. Of the two, List tells the ETag only.
	ETag    string // as HTTP writes it, with quotes
	Version string // where the store keeps old ones
}

// The errors callers act on. Every other error of a Store is a fault that
// may pass: try again.
var (
	ErrNotExist = errors.New("no such object")
	ErrExist    = errors.New("the object exists already")
	ErrBadRef   = errors.New("not an object name")
	ErrNoSpace  = errors.New("no space left in storage")
	ErrDigest   = errors.New("the bytes are not what their SHA-256 says")
	ErrArchived = errors.New("the object lies in an archive: it must be restored before it can be read")
)

// ContentType is what a browser must be told of an object, by its name: empty
// for what is no part of a published film.
func ContentType(r Ref) string { return contentTypes[path.Ext(string(r))] }

var contentTypes = map[string]string{
	".m3u8": "application/vnd.apple.mpegurl",
	".mpd":  "application/dash+xml",
	".m4s":  "video/iso.segment",
	".mp4":  "video/mp4",
	".json": "application/json",
	".jpg":  "image/jpeg",
	".vtt":  "text/vtt; charset=utf-8",
}

// Published begins the Refs of all that is shown to the world.
const Published = "outputs/"

// Scratch begins the Refs of what tasks leave for other tasks of their job. It
// is nobody's loss: what is gone is made or fetched again.
const Scratch = "scratch/"

// LatestFolder, below a partner's, holds what is replaced: where the newest
// of several films lies. Every other published file stays as it is for ever.
const LatestFolder = "latest"

// CacheControl is how long caches may keep an object, as HTTP says it: empty
// for what is not published.
func CacheControl(r Ref) string {
	below, published := strings.CutPrefix(string(r), Published)
	if !published || ContentType(r) == "" {
		return ""
	}
	if _, rest, _ := strings.Cut(below, "/"); strings.HasPrefix(rest, LatestFolder+"/") {
		return "public, max-age=30"
	}
	return "public, max-age=31536000, immutable"
}

// PutOptions refine a Put. The zero value replaces whatever was there.
type PutOptions struct {
	IfAbsent    bool   // create only: ErrExist when the object exists, which stays as it was
	ContentType string // absent: told by the name's extension
	SHA256      string // what the body must be, lower-case hex: another is not stored, ErrDigest; absent: anything
	Class       string // where the store has several: the one to keep it in, such as STANDARD_IA; absent: its own choice
}

// Store keeps objects. Implementations are safe for concurrent use. A
// cancelled context ends a call soon with the context's error.
type Store interface {
	// Stat tells of an object, or ErrNotExist.
	Stat(ctx context.Context, r Ref) (Object, error)

	// Open reads n bytes from off on; n < 0 reads to the end. A range that
	// begins at or past the end reads nothing. The caller closes. ErrNotExist.
	Open(ctx context.Context, r Ref, off, n int64) (io.ReadCloser, error)

	// Put stores the body, all or nothing: no reader, Stat or List ever sees
	// part of it, and when Put returns without error the object outlives a
	// power cut. If body fails, so does Put, with that error inside. The
	// Object returned bears the SHA-256 of what was stored.
	Put(ctx context.Context, r Ref, body io.Reader, o PutOptions) (Object, error)

	// List walks all objects whose Ref begins with prefix followed by "/" (or
	// all, for ""), in lexical order of Refs. Absent prefixes list nothing.
	List(ctx context.Context, prefix Ref) iter.Seq2[Object, error]

	// Delete removes objects. An absent one is success.
	Delete(ctx context.Context, refs ...Ref) error
}

// Swapper is a Store in which several may replace one object.
type Swapper interface {
	Store

	// Swap puts what change makes of a small object, nil when it is absent. It
	// is replaced only while it is still what change was given; else change is
	// asked again, so it may be asked many times. When change returns nil, all
	// stays as it is. Who puts the object otherwise is not heeded.
	Swap(ctx context.Context, r Ref, change func(old []byte) ([]byte, error)) error
}
