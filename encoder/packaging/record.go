package packaging

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"time"

	"bobine/encoder"
	"bobine/queue"
)

// Record is bobine.json, which lies beside the film and tells all that is
// known of it.
type Record struct {
	Schema     int             `json:"schema"` // 1
	Job        string          `json:"job"`
	Partner    string          `json:"partner"`
	Title      string          `json:"title"`
	Profile    string          `json:"profile"`
	Created    time.Time       `json:"created"` // when the job was accepted
	Origin     RecordOrigin    `json:"origin"`
	Source     encoder.Source  `json:"source"`
	Renditions []queue.Made    `json:"renditions"`
	Checks     []encoder.Check `json:"checks"`
	Warnings   []string        `json:"warnings"`
	Versions   Versions        `json:"versions"`
	Files      []Stored        `json:"files"` // all files of the film but bobine.json itself
}

// RecordOrigin is where the film came from, as far as it is told to others.
type RecordOrigin struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// Versions are those of the programs that made the film.
type Versions = queue.Versions

// Stored is one published file.
type Stored = encoder.Stored

// Media lists the captions and the init and media segments that the playlists lead to. What
// else lies in their folders belongs to nobody.
func (f Film) Media() []Stored {
	var out []Stored
	streams := f.Ladder.Makes(encoder.OutputHLS) || f.Ladder.Makes(encoder.OutputDASH)
	add := func(r Reel, name, kind string, x encoder.File) {
		out = append(out, stored(path.Join(r.Folder, name), x, kind))
	}
	for _, r := range f.Video {
		if !streams {
			break
		}
		add(r, r.Init(), "video/mp4", r.Parts[0].Init)
		for name, s := range r.Segments() {
			add(r, name, "video/iso.segment", s.File)
		}
	}
	for _, r := range f.Audio {
		if !streams {
			break
		}
		add(r, r.Init(), "audio/mp4", r.Parts[0].Init)
		for name, s := range r.Segments() {
			add(r, name, "video/iso.segment", s.File) // the type of m4s, whatever is inside
		}
	}
	for _, r := range f.Captions {
		for name, x := range r.Parts[0].Files(r.Parts[0].Chunk, r.Parts[0].Attempt) {
			add(r, name, TypeVTT, x)
		}
	}
	return out
}

// Record makes the record of a film from its job, whose checks and warnings
// must be complete. A nil poster is no poster.
func (f Film) Record(j queue.Job, poster *encoder.File, v Versions) Record {
	files := append(f.Media(), f.Beside...)
	if poster != nil {
		files = append(files, stored(Poster, *poster, "image/jpeg"))
	}
	for _, x := range f.Files() {
		files = append(files, x.Stored())
	}
	return Record{
		Schema: 1, Job: j.ID, Partner: j.Partner, Title: j.Title, Profile: j.Profile, Created: j.Created,
		Origin: RecordOrigin{j.Origin.Name, j.Origin.Bytes}, Source: f.Source,
		Renditions: f.Made(), Checks: append([]encoder.Check{}, j.Checks...), Warnings: append([]string{}, j.Warnings...),
		Versions: v, Files: files,
	}
}

func stored(name string, x encoder.File, kind string) Stored {
	return Stored{Name: name, Bytes: x.Bytes, SHA256: x.SHA256, ContentType: kind}
}

// Stored is how the file stands in the record.
func (f File) Stored() Stored {
	sum := sha256.Sum256(f.Body)
	return stored(f.Name, encoder.File{Bytes: int64(len(f.Body)), SHA256: hex.EncodeToString(sum[:])}, f.ContentType)
}

// Marshal writes the record for humans and machines: the same record always
// gives the same bytes.
func (r Record) Marshal() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// ReadRecord reads what Marshal wrote.
func ReadRecord(b []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", Log, err)
	}
	return r, nil
}

// Outputs are the references of the film below its root.
func (r Record) Outputs(root string) queue.Outputs {
	out := queue.Outputs{Root: root, Files: len(r.Files) + 1, Record: path.Join(root, Log)}
	places := map[string]*string{Master: &out.Master, Manifest: &out.Manifest, Storyboard: &out.Storyboard, Poster: &out.Poster}
	for _, f := range r.Files {
		if place := places[f.Name]; place != nil {
			*place = path.Join(root, f.Name)
		}
		if path.Dir(f.Name) == "mp4" {
			out.Downloads = append(out.Downloads, path.Join(root, f.Name))
		}
	}
	return out
}
